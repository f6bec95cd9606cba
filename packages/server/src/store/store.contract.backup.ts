import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { raw, sampleQuarantine, sampleSeries, writeSample } from './sample.ts'
import type { StoreDriver } from './store.contract.ts'
import type { Store } from './store.ts'

type Open = (context: TestContext) => Promise<{ store: Store; directory: string }>

/** Backups of drivers that make them; the others say that they do not. */
export function backupTest({ openBackup, upheavals }: StoreDriver, open: Open): void {
  if (!openBackup) {
    test('a backup is left to the engine', async (context) => {
      const { store, directory } = await open(context)
      assert.equal(store.capabilities.backups, 'engine')
      await assert.rejects(store.backup(directory), (error) => isDroverError(error, 'badRequest'))
    })
    return
  }
  test('a backup is the store at one point in time, while it goes on', async (context) => {
    const { store, directory } = await open(context)
    assert.equal(store.capabilities.backups, 'own')
    await writeSample(store, {
      series: sampleSeries(2),
      points: [[2, 1, 'text', 1]],
      quarantine: [sampleQuarantine(100, 1)],
      newKeys: [{ deviceUid: 100, key: 'h:1', receivedAtMicros: 1 }],
    })
    for (let at = 1; at <= 40; at++) {
      await writeSample(store, { points: [[1, at, at, at]] })
      if (at === 30) for (const upheaval of Object.values(upheavals)) await upheaval(store)
    }
    let stop = false
    const writing = (async () => {
      for (let at = 41; !stop; at++) {
        await writeSample(store, { points: [[1, at, at, at]] })
        await new Promise(setImmediate)
      }
    })()
    await store.backup(join(directory, 'backup'))
    stop = true
    await writing
    const copy = await openBackup(join(directory, 'backup'))
    context.after(() => copy.close())
    const points = await raw(copy, [1])
    const position = await copy.writer.position('processing', 0)
    assert.equal(points.length, position!.position - 1, 'points and position are of one moment')
    assert.ok(points.length >= 40)
    assert.equal((await copy.reader.latest([100]))[0]?.latest?.value, points.length)
    assert.deepEqual(await raw(copy, [2], 'texts'), await raw(store, [2], 'texts'))
    assert.deepEqual(
      await copy.reader.quarantine({ tenant: 1, limit: 9 }),
      await store.reader.quarantine({ tenant: 1, limit: 9 }),
    )
    assert.deepEqual(await copy.writer.loadKeys('all'), await store.writer.loadKeys('all'))
    await writeSample(copy, { points: [[1, 1e6, 1, 1e6]] })
    assert.equal((await raw(copy, [1])).length, points.length + 1)
    assert.equal((await raw(store, [1])).filter(([, time]) => time === 1e6).length, 0)
  })
}
