import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { parseConfiguration } from '../../packages/server/src/config.ts'
import { repository } from '../tidiness/files.ts'
import { manifests } from './manifests.ts'

interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[]
}

interface Compose {
  readonly services: { readonly drover: { readonly environment: Readonly<Record<string, string>> } }
}

/** What stands in the secrets that people make as docs/guides/production.md says. */
const secrets: Readonly<Record<string, string>> = {
  queue: 'kafka://drover:secret@kafka-1:9093?ssl=true',
  store: 'postgres://drover:secret@postgres:5432/drover',
  registry: 'postgres://drover:secret@postgres:5432/drover',
  'database-url': 'postgres://drover:secret@postgres:5432/drover',
}

test('the settings of compose.yaml are those of Drover', () => {
  const text = readFileSync(join(repository, 'deploy/compose.yaml'), 'utf8')
  const { services } = parse(text, { merge: true }) as Compose
  assertEngines(services.drover.environment)
})

test('the settings of the manifests are those of Drover', () => {
  const set = manifests().find(({ kind }) => kind === 'StatefulSet')!
  const { template } = set.spec as { template: { spec: { containers: Container[] } } }
  const { env } = template.spec.containers[0]!
  assertEngines(Object.fromEntries(env.map(({ name, value }) => [name, value])))
})

function assertEngines(env: Readonly<Record<string, string>>): void {
  const readFile = (path: string) => secrets[path.split('/').at(-1)!]
  const configuration = parseConfiguration({ args: [], env, readFile })
  assert.ok('queue' in configuration)
  const { queue, store, registry } = configuration
  assert.deepEqual([queue.kind, store.kind, registry.kind], ['kafka', 'postgres', 'postgres'])
}
