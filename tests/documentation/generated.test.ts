import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorTable, limits, quarantineReasons } from '@drover/protocol'
import { settings } from '../../packages/server/src/config/settings.ts'
import { pages } from '../../scripts/pages.ts'
import { repository } from '../tidiness/files.ts'

const read = (path: string) => readFileSync(join(repository, path), 'utf8')

for (const { path, text } of await pages())
  test(`${path} is as its source says`, () => {
    assert.equal(read(path), text, 'Write it anew with: npm run docs')
  })

test('the pages name every error, reason, limit and setting', () => {
  const named = (path: string) =>
    new Set([...read(path).matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name))
  assert.deepEqual(
    named('docs/reference/errors.md'),
    new Set([...Object.keys(errorTable), ...Object.keys(quarantineReasons)]),
  )
  assert.deepEqual(named('docs/reference/limits.md'), new Set(Object.keys(limits)))
  assert.deepEqual(named('docs/reference/configuration.md'), new Set(settings.map(({ key }) => key)))
})
