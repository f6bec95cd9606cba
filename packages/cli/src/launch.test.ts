import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const command = fileURLToPath(new URL('../bin/drover.js', import.meta.url))
const run = promisify(execFile)

/** A Node of the system that is too old for Drover, beside the one that runs this. */
function findOldNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => !folder.includes('node_modules'))
  return folders
    .map((folder) => join(folder, 'node'))
    .find((node) => {
      const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
      return status === 0 && Number.parseInt(stdout.slice(1), 10) < 24
    })
}

const oldNode = findOldNode()
const skip = oldNode === undefined ? 'no Node older than 24 is installed beside the bundled one' : false

test('runs with the Node that it is given when that is new enough', async () => {
  const { stdout } = await run(process.execPath, [command, '--help'])
  assert.match(stdout, /Usage: drover/)
})

test('an old Node runs the bundled one, with its output and exit code', { skip }, async () => {
  const { stdout } = await run(oldNode!, [command, '--help'])
  assert.match(stdout, /Usage: drover/)
  await assert.rejects(run(oldNode!, [command, 'herd']), { code: 2 })
})

test('an old Node without a bundled one says what is needed', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-launch-'))
  t.after(() => rm(folder, { recursive: true }))
  await cp(command, join(folder, 'bin', 'drover.js'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await assert.rejects(run(oldNode!, [join(folder, 'bin', 'drover.js')]), (error: { stderr: string }) => {
    assert.match(error.stderr, /needs Node 24 or newer/)
    assert.match(error.stderr, new RegExp(dirname(oldNode!)))
    return true
  })
})

for (const [signal, script, expected] of [
  ['SIGTERM', `process.on('SIGTERM', () => process.exit(7))`, { code: 7, signal: null }],
  ['SIGINT', `process.on('SIGINT', () => process.exit(0))`, { code: 0, signal: null }],
  ['SIGTERM', '', { code: null, signal: 'SIGTERM' }],
] as const)
  test(`${signal} reaches the bundled Node, which ends with ${JSON.stringify(expected)}`, {
    skip,
  }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-launch-'))
    t.after(() => rm(folder, { recursive: true }))
    const preload = join(folder, 'wait.cjs')
    // Stands in for a command that runs until it is stopped. The old Node, which forwards, must not load it.
    await writeFile(
      preload,
      `if (Number.parseInt(process.versions.node) >= 24) {
        ${script}
        console.log('ready')
        setInterval(() => undefined, 1000)
      }`,
    )
    const ended = await endWith(signal, preload)
    assert.deepEqual(ended, expected)
  })

async function endWith(signal: NodeJS.Signals, preload: string) {
  const env = { ...process.env, NODE_OPTIONS: `--require ${preload}` }
  const child = execFile(oldNode!, [command, '--help'], { env })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, by) => resolve({ code, signal: by })),
  )
  await new Promise<void>((resolve) => child.stdout!.once('data', () => resolve()))
  child.kill(signal)
  return exited
}
