import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { npmPackages } from '../support/services/npm.ts'
import { repository } from '../tidiness/files.ts'
import { folder, type Manifest, manifests } from './manifests.ts'

const execute = promisify(execFile)
const models = { dependencies: { 'kubernetes-models': '5.1.0' } }

test('the API of Kubernetes has all kinds and fields of the manifests, and takes their values', async (t) => {
  const check = await checker(t)
  const found = manifests()
  assert.ok(found.length >= 4)
  await check(found)
})

test('a field that the API lacks, and a value that it refuses, are found', async (t) => {
  const check = await checker(t)
  const service = manifests().find(({ kind }) => kind === 'Service')!
  await assert.rejects(check([{ ...service, spec: { prots: [] } }]), /prots/)
  await assert.rejects(check([{ ...service, spec: { ports: [{ port: 'https' }] } }]), /number/)
  await assert.rejects(check([{ ...service, spec: { ports: [{ port: 1.5 }] } }]), /port/)
})

test('the kustomization names every manifest', () => {
  const { resources } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as {
    resources: readonly string[]
  }
  assert.deepEqual([...resources].sort(), [...new Set(manifests().map(({ file }) => file))].sort())
})

/** The types made from the API of Kubernetes know its fields, their validators know what the fields may hold. */
async function checker(t: TestContext): Promise<(documents: readonly Manifest[]) => Promise<void>> {
  const programs = await npmPackages('kubernetes-models', models)
  const directory = await mkdtemp(join(tmpdir(), 'drover-kubernetes-'))
  t.after(() => rm(directory, { recursive: true }))
  await symlink(join(programs, 'node_modules'), join(directory, 'node_modules'))
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  return async (documents) => {
    await writeFile(join(directory, 'manifests.ts'), documents.map(program).join('\n'))
    const tsc = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck']
    await run(join(repository, 'node_modules/.bin/tsc'), [...tsc, 'manifests.ts'], directory)
    await run(process.execPath, ['manifests.ts'], directory)
  }
}

function program({ apiVersion, kind, file, ...fields }: Manifest, index: number): string {
  return `import { ${kind} as Kind${index} } from 'kubernetes-models/${apiVersion}/${kind}'
// ${file}
new Kind${index}(${JSON.stringify(fields, null, 2)}).validate()`
}

/** What tsc finds wrong it prints on its standard output. */
async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  await execute(command, args, { cwd, timeout: 60_000 }).catch(
    (error: { stdout: string; stderr: string }) => {
      throw new Error(`${error.stdout}${error.stderr}`, { cause: error })
    },
  )
}
