import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startServer, type TestServer } from '../support/server.ts'
import { eventually } from '../support/wait.ts'
import { repository } from '../tidiness/files.ts'

const run = promisify(execFile)
const readme = readFileSync(join(repository, 'README.md'), 'utf8')

/** The shell lines of the section, in order. */
function shellLines(heading: string): string[] {
  const section = readme.slice(readme.indexOf(`## ${heading}`)).split('\n## ')[0]!
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split('\n'))
}

/** The lines as they are for a server on other ports and in another folder. */
function forServer(lines: readonly string[], server: TestServer): string {
  const mqttPort = new URL(server.mqtt).port
  return lines
    .join('\n')
    .replaceAll('http://127.0.0.1:8080', server.http)
    .replaceAll('mosquitto_pub -h 127.0.0.1', `mosquitto_pub -h 127.0.0.1 -p ${mqttPort}`)
    .replaceAll('data/admin-key', join(server.dataDirectory, 'admin-key'))
}

const bash = (script: string) => run('bash', ['-euc', script], { cwd: repository, timeout: 60_000 })
const hasMosquitto = spawnSync('mosquitto_pub', ['--help'], { stdio: 'ignore' }).error === undefined

test('a reading sent with the lines of the README is there within a second', async (t) => {
  await using server = await startServer()
  const [create, publish, post, look] = shellLines('Send your first reading')
  assert.match(publish!, /^mosquitto_pub /)
  assert.match(post!, /^curl /)
  const temperatures: number[] = []
  const latest = async () => {
    const { stdout } = await bash(forServer([look!], server))
    return (JSON.parse(stdout) as { metrics?: Record<string, { value: number }> }).metrics?.temperature?.value
  }
  const send = async (line: string, expected: number) => {
    await bash(forServer([token, line], server))
    await eventually(async () => (await latest()) === expected, { deadlineMs: 1_000 })
    temperatures.push(expected)
  }
  const { stdout } = await bash(forServer([create!, 'echo "$TOKEN"'], server))
  assert.match(stdout, /^dt_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}\n$/)
  const token = `TOKEN=${stdout.trim()}`
  if (hasMosquitto) await send(publish!, 21.4)
  else t.diagnostic('mosquitto_pub is not installed: its line was left out')
  await send(post!, 21.6)
  assert.ok(temperatures.length > 0)
})

test('the two commands of the README are those that the scripts know', () => {
  assert.deepEqual(
    [...shellLines('Start'), ...shellLines('Test')],
    ['npm ci && npm start', 'npm ci && npm test'],
  )
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const [, name] of readme.matchAll(/`npm run ([\w:]+)`/g))
    assert.ok(name! in scripts, `npm run ${name}`)
})
