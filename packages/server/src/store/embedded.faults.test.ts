import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { faultBatch, faultOptions, faultSeries } from './embedded.faults.batches.ts'
import { openEmbeddedStore } from './embedded.ts'
import { createMemoryStore } from './memory.ts'
import { pointRows, writeSample } from './sample.ts'
import type { Store } from './store.ts'

const steps = [
  'rotation: tables switched',
  'rotation: file written',
  'rotation: file synced',
  'rotation: file renamed',
  'rotation: folder synced',
  'rotation: latest saved',
  'rotation: segments listed',
  'merge: planned',
  'merge: file written',
  'merge: file synced',
  'merge: file renamed',
  'merge: folder synced',
  'merge: listed',
]
/** Kills at random instants; more of them in the longer fault run. */
const randomKills = Number(process.env.DROVER_FAULT_ROUNDS ?? 2)
const childDeadlineMs = 60_000

const root = await mkdtemp(join(tmpdir(), 'drover-store-faults-'))
const directory = join(root, 'store')
const model = createMemoryStore()
let inModel = 0
after(() => rm(root, { recursive: true }))

test('a kill between any two steps of rotation and merging loses and repeats nothing', async (context) => {
  for (const step of steps)
    await context.test(step, async () => {
      const child = start(step)
      await checkAfter(await lastWritten(child), child)
    })
})

test(`${randomKills} kills at random instants lose and repeat nothing`, async () => {
  for (let round = 0; round < randomKills; round++) {
    const child = start()
    const last = lastWritten(child)
    await once(child, 'message')
    await delay(Math.random() * 500)
    child.kill('SIGKILL')
    await checkAfter(await last, child)
  }
})

function start(step = ''): ChildProcess {
  const script = join(import.meta.dirname, 'embedded.faults.child.ts')
  return fork(script, [directory, step], { timeout: childDeadlineMs, killSignal: 'SIGTERM' })
}

/** The number of the last batch that the child was told of as durable, when it is gone. */
async function lastWritten(child: ChildProcess): Promise<number> {
  let last = 0
  child.on('message', (durable) => {
    last = Number(durable)
  })
  await once(child, 'close')
  return last
}

async function checkAfter(acknowledged: number, child: ChildProcess): Promise<void> {
  assert.equal(child.signalCode, 'SIGKILL', `the child ended by itself (${child.exitCode})`)
  const store = await openEmbeddedStore({ ...faultOptions, directory, maintenance: 'asked' })
  try {
    const position = (await store.writer.position('processing', 0))?.position ?? 0
    assert.ok(
      position >= acknowledged,
      `batch ${acknowledged} was said to be durable, the last stored is ${position}`,
    )
    while (inModel < position) inModel = await writeSample(model, faultBatch(inModel + 1))
    assert.deepEqual(await contents(store), await contents(model))
    const { segments } = await store.reader.status()
    const files = await readdir(join(directory, 'segments'))
    const [latest, others] = [files.filter(isLatest), files.filter((file) => !isLatest(file))]
    assert.ok(latest.length <= 1)
    assert.equal(
      others.filter((file) => !file.includes('sums')).length,
      segments,
      'only listed files are left',
    )
    assert.deepEqual(await readdir(join(directory, 'tmp')), [])
  } finally {
    await store.close()
  }
}

function isLatest(file: string): boolean {
  return file.startsWith('latest')
}

async function contents({ reader }: Store) {
  const seriesIds = Array.from({ length: faultSeries }, (_, at) => at + 1)
  const all = { seriesIds, fromMicros: 0, toMicros: 4e15, goodOnly: false, limit: 1_000_000 }
  const [numbers, texts] = [
    await reader.points({ ...all, kind: 'numbers' }),
    await reader.points({ ...all, kind: 'texts' }),
  ]
  return [pointRows(numbers), pointRows(texts), await reader.latest([100, 101, 102, 103])]
}
