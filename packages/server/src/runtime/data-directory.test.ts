import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { claimDataDirectory } from './data-directory.ts'

async function emptyDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'drover-data-directory-'))
  t.after(() => rm(path, { recursive: true }))
  return join(path, 'data')
}

/** Another process that claims the directory and keeps it. */
async function otherOwner(path: string) {
  const program = `
    import { claimDataDirectory } from ${JSON.stringify(new URL('./data-directory.ts', import.meta.url).href)}
    const claim = claimDataDirectory(process.argv[1])
    console.log('claimed', claim.path)
    setInterval(() => claim.path, 60_000)
  `
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(owner.stdout, 'data')
  return owner
}

test('makes the directory for its owner only, and says who owns it', async (t) => {
  const path = await emptyDirectory(t)
  const claim = claimDataDirectory(path)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  assert.equal(await readFile(join(path, 'lock.pid'), 'utf8'), `${process.pid}\n`)
  claim.release()
})

test('a second claim is refused with the process id of the first, until that is released', async (t) => {
  const path = await emptyDirectory(t)
  const first = claimDataDirectory(path)
  assert.throws(
    () => claimDataDirectory(path),
    (error) => isDroverError(error, 'dataDirectoryInUse') && error.message.includes(String(process.pid)),
  )
  first.release()
  first.release()
  claimDataDirectory(path).release()
})

test('the claim of another process holds until it is killed, and no longer', async (t) => {
  const path = await emptyDirectory(t)
  const owner = await otherOwner(path)
  assert.throws(
    () => claimDataDirectory(path),
    (error) => isDroverError(error, 'dataDirectoryInUse') && error.message.includes(String(owner.pid)),
  )
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  claimDataDirectory(path).release()
})

test('a process id that is left over, even one in use, claims nothing', async (t) => {
  const path = await emptyDirectory(t)
  claimDataDirectory(path).release()
  await writeFile(join(path, 'lock.pid'), '1\n')
  claimDataDirectory(path).release()
})
