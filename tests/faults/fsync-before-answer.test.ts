import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

/**
 * A kill -9 cannot show that acknowledged data survives a power cut: what was written but not synced is in the system's
 * memory, and stays there. So the system calls of a process are traced, and each acknowledgement must find everything
 * that was written to the log's WAL before it synced to the disk.
 */
const hasStrace = spawnSync('strace', ['--version'], { stdio: 'ignore' }).status === 0
const skip = hasStrace
  ? false
  : 'strace is not installed; `npm run test:ci` installs it (Debian: apt-get install strace)'

const acknowledgements = 40

const logModule = new URL('../../packages/log/src/index.ts', import.meta.url).href
const queueModule = new URL('../../packages/server/src/queue/embedded.ts', import.meta.url).href

/** Appends straight to the log, and says so after each append. */
const appendToLog = (synchronous: 'FULL' | 'OFF') => `
  import { writeSync } from 'node:fs'
  const { openLog } = await import('${logModule}')
  const log = openLog({ directory: process.argv[2], bytesMax: 1e9, synchronous: '${synchronous}' })
  for (let number = 1; number <= ${acknowledgements}; number++) {
    const bytes = Buffer.alloc(number % 3 === 0 ? 50_000 : 300, number)
    log.append([{ bytes, count: 1 }, { bytes, count: 2 }])
    writeSync(1, 'ACK ' + number + '\\n')
  }
  log.close()`

/** Appends through the queue, whose log lives on another thread. */
const appendToQueue = `
  import { writeSync } from 'node:fs'
  const { openEmbeddedQueue } = await import('${queueModule}')
  const queue = await openEmbeddedQueue({
    directory: process.argv[2], bytesMax: 1e9, diskReserveBytes: 0, handoffBytesMax: 1e6,
  })
  for (let number = 1; number <= ${acknowledgements}; number++) {
    await queue.append({ bytes: new Uint8Array(number % 3 === 0 ? 50_000 : 300), count: 1 })
    writeSync(1, 'ACK ' + number + '\\n')
  }
  await queue.close()`

/** Runs a script with a fresh folder as its argument; answers the lines of its trace. */
function trace(script: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'drover-strace-'))
  try {
    const output = join(directory, 'trace')
    const calls = 'trace=fsync,fdatasync,sync_file_range,write,pwrite64,writev,pwritev'
    const program = join(directory, 'program.mjs')
    writeFileSync(program, script)
    const node = [process.execPath, program, join(directory, 'log')]
    const strace = ['-f', '-y', '-qq', '-s', '32', '-e', calls, '-e', 'signal=none', '-o', output]
    const { status, stderr } = spawnSync('strace', [...strace, ...node], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(status, 0, stderr)
    return readFileSync(output, 'utf8').split('\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

interface Acknowledgement {
  readonly number: number
  /** Writes to the WAL since the acknowledgement before. */
  readonly writes: number
  /** Whether the last of them was followed by a sync that had ended. */
  readonly synced: boolean
}

/**
 * A call that another thread interrupts stands in two lines, `… <unfinished ...>` and `<... fsync resumed> …`. A write
 * counts from its first line on, a sync of the WAL from its last, and only for what was written before its first.
 */
function acknowledgementsIn(lines: readonly string[]): Acknowledgement[] {
  const found: Acknowledgement[] = []
  const syncing = new Map<string, number>()
  let written = 0
  let synced = 0
  let before = 0
  for (const line of lines) {
    const [, thread = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const isWal = /^\w+\(\d+<[^>]*-wal>/.test(call)
    if (isWal && /^p?writev?(64)?\(/.test(call)) written++
    if (isWal && /^f(data)?sync\(/.test(call)) syncing.set(thread, written)
    if (/f(data)?sync(\(| resumed>).*= 0$/.test(call) && syncing.has(thread)) {
      synced = Math.max(synced, syncing.get(thread)!)
      syncing.delete(thread)
    }
    const number = /^write\(1<.*"ACK (\d+)/.exec(call)?.[1]
    if (number === undefined) continue
    found.push({ number: Number(number), writes: written - before, synced: synced === written })
    before = written
  }
  return found
}

function assertTraced(found: readonly Acknowledgement[]): void {
  assert.deepEqual(
    found.map(({ number }) => number),
    Array.from({ length: acknowledgements }, (_, at) => at + 1),
    'all acknowledgements are in the trace',
  )
  assert.ok(
    found.every(({ writes }) => writes > 0),
    'before each of them something was written to the WAL',
  )
}

const unsynced = (found: readonly Acknowledgement[]) => found.filter(({ synced }) => !synced).length

test('the log returns from an append after what it wrote is synced', { skip }, () => {
  const found = acknowledgementsIn(trace(appendToLog('FULL')))
  assertTraced(found)
  assert.equal(unsynced(found), 0)
})

test('the queue answers an append after what it wrote is synced', { skip }, () => {
  const found = acknowledgementsIn(trace(appendToQueue))
  assertTraced(found)
  assert.equal(unsynced(found), 0)
})

test('with synchronous=OFF the same check fails for every append', { skip }, () => {
  const found = acknowledgementsIn(trace(appendToLog('OFF')))
  assertTraced(found)
  assert.equal(unsynced(found), acknowledgements)
})
