import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { openEmbeddedQueue } from './embedded.ts'
import { type QueueUnderTest, queueContract } from './queue.contract.ts'

/** `handoffBytesMax`: 0 makes the consumer read every batch from the log. */
const under =
  (handoffBytesMax: number) =>
  (t: TestContext): QueueUnderTest => {
    const directory = mkdtempSync(join(tmpdir(), 'drover-queue-'))
    t.after(() => rmSync(directory, { recursive: true }))
    let lock: DatabaseSync
    return {
      open: ({ bytesMax = 1 << 30 } = {}) =>
        openEmbeddedQueue({ directory, bytesMax, diskReserveBytes: 0, handoffBytesMax }),
      fail() {
        lock = new DatabaseSync(join(directory, 'log.sqlite'))
        lock.exec('BEGIN IMMEDIATE')
      },
      recover: () => lock.close(),
    }
  }

queueContract('embedded', under(1 << 24))
queueContract('embedded (reading its log)', under(0))
