import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache =
  process.env.DROVER_SERVICES_CACHE ??
  fileURLToPath(new URL('../../../node_modules/.cache/drover-services', import.meta.url))

/**
 * The folder of a server's programs, which `fill` makes the first time. `name` says the versions in it; half a folder
 * is never seen under that name.
 */
export async function installed(name: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const final = join(cache, name)
  if (existsSync(final)) return final
  await mkdir(cache, { recursive: true })
  const directory = await mkdtemp(join(cache, `${name}-`))
  try {
    await fill(directory)
    // Another test that was faster made the same.
    await rename(directory, final).catch((error) => {
      if (!existsSync(final)) throw error
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return final
}
