import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LogEntry, openLog } from './index.ts'

const keptRecords = 2000

/** Appends as fast as it can, each batch filled with its position, and reports each position once it is durable. */
const child = `
  import { writeSync } from 'node:fs'
  const [directory, module] = process.argv.slice(1)
  const { openLog } = await import(module)
  const log = openLog({ directory, bytesMax: 1 << 30 })
  log.addConsumer('store')
  for (;;) {
    const batches = []
    let position = log.nextPosition
    for (let each = 0; each < 1 + (position % 4); each++) {
      const count = 1 + (position % 5)
      batches.push({ count, bytes: Buffer.alloc(20 + ((position * 7919) % 30_000), String(position)) })
      position += count
    }
    log.append(batches)
    writeSync(1, position - 1 + '\\n')
    if (position > ${keptRecords}) log.commit('store', position - ${keptRecords})
    while (log.maintain());
  }`

/** Lets the child run for a while after its first report and kills it; answers the last position that it reported. */
async function runAndKill(directory: string, runMs: number): Promise<number> {
  const module = new URL('./index.ts', import.meta.url).href
  const running = spawn(process.execPath, ['--input-type=module', '-e', child, directory, module], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let reported = ''
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    reported += text
  })
  await once(running.stdout, 'data')
  setTimeout(() => running.kill('SIGKILL'), runMs)
  const [, signal] = await once(running, 'close')
  assert.equal(signal, 'SIGKILL', 'the child was still appending')
  // The last line may be cut.
  return Number(reported.slice(0, reported.lastIndexOf('\n')).split('\n').at(-1))
}

function checkEntry({ firstPosition, count, bytes }: LogEntry): void {
  const expected = Buffer.alloc(bytes.length, String(firstPosition))
  assert.equal(count, 1 + (firstPosition % 5))
  assert.ok(expected.equals(bytes), `the batch at ${firstPosition} is another one`)
}

test('killed at any instant: everything that was reported is there, whole and in its place', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'drover-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  let before = 0
  for (const runMs of [3, 40, 90, 170, 400]) {
    const reported = await runAndKill(directory, runMs)
    assert.ok(reported > before)
    const log = openLog({ directory, bytesMax: 1 << 30 })
    const { firstPosition, nextPosition } = log.status
    assert.ok(nextPosition > reported, `${reported} was reported, but the next position is ${nextPosition}`)
    assert.ok(firstPosition <= Math.max(1, reported - keptRecords + 1))
    let position = firstPosition
    for (const entry of log.read(0, 1 << 30)) {
      assert.equal(entry.firstPosition, position)
      checkEntry(entry)
      position += entry.count
    }
    assert.equal(position, nextPosition)
    log.close()
    before = reported
  }
})
