import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { repository } from '../tidiness/files.ts'

const execute = promisify(execFile)
const compose = readFileSync(join(repository, 'deploy/compose.yaml'), 'utf8')

test('compose.yaml is what Compose takes', async () => {
  await check(compose)
})

test('a word that Compose does not know is found', async () => {
  await assert.rejects(check(compose.replace('interval:', 'intervall:')), /intervall/)
})

async function check(text: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-compose-'))
  try {
    await writeFile(join(directory, 'compose.yaml'), text)
    await execute('docker-compose', ['-f', 'compose.yaml', 'config', '--quiet'], { cwd: directory })
  } finally {
    await rm(directory, { recursive: true })
  }
}
