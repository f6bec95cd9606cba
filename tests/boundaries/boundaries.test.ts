import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { forbidden, options, resolution } from '../../.dependency-cruiser.ts'
import { filesUnder, repository } from '../tidiness/files.ts'

const planted = 'tests/boundaries/planted'

async function check(folder: string): Promise<ICruiseResult> {
  const ruleSet = { forbidden: [...forbidden] }
  const { output } = await cruise(
    [folder],
    { ...options, baseDir: repository, validate: true, ruleSet },
    resolution,
  )
  assert.ok(typeof output === 'object')
  return output
}

/** `file: rule` for each rule that the file breaks. */
function broken({ summary }: ICruiseResult): string[] {
  return [...new Set(summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`))].sort()
}

const without = (lines: readonly string[], others: readonly string[]) =>
  lines.filter((line) => !others.includes(line))

test('imports point the way that the architecture says', async () => {
  const result = await check('packages')
  const sources = filesUnder('packages').filter((path) => /\.(ts|tsx)$/.test(path))
  const seen = new Set(result.modules.map(({ source }) => source))
  // A parser that fails, or an import that is not followed, must not look like order.
  assert.deepEqual(
    sources.filter((path) => !seen.has(path)),
    [],
  )
  assert.ok(result.summary.totalDependenciesCruised! > sources.length)
  const explain = ({ from, to, rule }: (typeof result.summary.violations)[number]) =>
    `${from} → ${to}: ${rule.name}: ${forbidden.find(({ name }) => name === rule.name)?.comment}`
  assert.deepEqual(result.summary.violations.map(explain), [])
})

test('every broken rule of the planted tree is found, and nothing else', async () => {
  const expected = filesUnder(planted).flatMap((path) => {
    const [, rules = ''] = /^\/\/ breaks: (.*)/.exec(readFileSync(join(repository, path), 'utf8')) ?? []
    return rules
      .split(' ')
      .filter(Boolean)
      .map((rule) => `${path}: ${rule}`)
  })
  const found = broken(await check(planted)).filter((line) => line.startsWith(planted))
  const [missed, unexpected] = [without(expected, found), without(found, expected)]
  assert.deepEqual({ missed, unexpected }, { missed: [], unexpected: [] })
})

test('every rule is broken somewhere in the planted tree', () => {
  const text = filesUnder(planted)
    .map((path) => readFileSync(join(repository, path), 'utf8'))
    .join('\n')
  for (const { name } of forbidden) assert.match(text, new RegExp(`^// breaks: .*\\b${name}\\b`, 'm'))
})
