import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram, main } from './main.ts'

/** Nothing listens there: the discard port of the local machine. */
const nobody = 'http://127.0.0.1:9'

async function run(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await main(args, {}, { env: {}, stdout, stderr })
  stdout.end()
  stderr.end()
  return { code, stdout: await text(stdout), stderr: await text(stderr) }
}

function leaves(command: Command, path: string[] = []): string[][] {
  if (command.commands.length === 0) return [path]
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]))
}

const program = createProgram({ env: {}, stdout: new PassThrough(), stderr: new PassThrough() })

for (const path of leaves(program).filter(([name]) => name !== 'up')) {
  test(`${path.join(' ')} --help has an example`, async () => {
    const { code, stdout } = await run(...path, '--help')
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`Examples?:\\n  drover ${path.join(' ')}`))
  })
}

test('lists its commands', async () => {
  const { code, stdout } = await run('--help')
  assert.equal(code, 0)
  for (const name of [
    'up',
    'devices',
    'profiles',
    'telemetry',
    'tail',
    'replay',
    'simulate',
    'backup',
    'bench',
  ])
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
})

test('tells its version', async () => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(await run('--version'), { code: 0, stdout: `${version}\n`, stderr: '' })
})

for (const args of [
  [],
  ['herd'],
  ['devices'],
  ['devices', 'show'],
  ['devices', 'list', '--limit', 'many'],
  ['telemetry', 'a', '--from', 'yesterday'],
  ['telemetry', 'a', '--fn', 'median'],
  ['replay', 'a.csv', '--qos', '3'],
])
  test(`\`drover ${args.join(' ')}\` is not understood`, async () => {
    const { code, stderr } = await run(...args)
    assert.equal(code, 2)
    assert.notEqual(stderr, '')
  })

test('a server that is not there is an error with code, reason and what to do next', async () => {
  const { code, stdout, stderr } = await run('devices', 'list', '--url', nobody, '--key', 'k')
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /serverUnreachable: .*127\.0\.0\.1:9/)
  assert.match(stderr, /drover up/)
})

test('a key that is not there is an error that says where to give it', async () => {
  const { code, stderr } = await run('devices', 'list', '--url', nobody, '--key-file', '/nowhere/admin-key')
  assert.equal(code, 1)
  assert.match(stderr, /unauthenticated/)
  assert.match(stderr, /--key-file/)
})

test('a file that is not there is an error that names it', async () => {
  const { code, stderr } = await run('profiles', 'apply', '/nowhere/p.yaml', '--url', nobody, '--key', 'k')
  assert.equal(code, 1)
  assert.match(stderr, /ENOENT.*\/nowhere\/p\.yaml/)
})

test('a replay that names no device is refused before anything is sent', async () => {
  const { code, stderr } = await run('replay', '/nowhere/r.csv', '--url', nobody, '--key', 'k')
  assert.equal(code, 1)
  assert.match(stderr, /--device COLUMN or --device-id ID/)
})
