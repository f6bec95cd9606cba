import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pages } from './pages.ts'
import { repository } from './steps.ts'

/** `npm run docs`: writes the generated pages of the reference. */
for (const { path, text } of await pages()) {
  const file = join(repository, path)
  mkdirSync(dirname(file), { recursive: true })
  if (current(file) === text) continue
  writeFileSync(file, text)
  console.log(`wrote ${path}`)
}

function current(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
