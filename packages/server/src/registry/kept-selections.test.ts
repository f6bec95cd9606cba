import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeviceName } from './devices.ts'
import { KeptSelections } from './kept-selections.ts'

const named = (count: number): DeviceName[] =>
  Array.from({ length: count }, (_, at) => ({ uid: at + 1, id: `device-${at}` }))

/** Asks, and says whether the answer was kept already. */
async function isKept(selections: KeptSelections, question: string, count = 1): Promise<boolean> {
  let asked = false
  const names = await selections.get(question, 0, async () => {
    asked = true
    return named(count)
  })
  assert.equal(names.length, count)
  return !asked
}

describe('kept selections', () => {
  it('are asked for once, until devices change', async () => {
    const selections = new KeptSelections()
    assert.equal(await isKept(selections, 'a'), false)
    assert.equal(await isKept(selections, 'a'), true)
    assert.equal(await isKept(selections, 'b'), false)
    selections.forget()
    assert.equal(await isKept(selections, 'a'), false)
  })

  it('are not kept when devices have changed since they were read', async () => {
    const selections = new KeptSelections()
    const read = Promise.withResolvers<DeviceName[]>()
    const answer = selections.get('a', 0, () => read.promise)
    selections.forget()
    read.resolve(named(1))
    assert.deepEqual(await answer, named(1))
    assert.equal(await isKept(selections, 'a'), false)
  })

  it('are counted once when two ask at a time, and not kept when reading fails', async () => {
    const selections = new KeptSelections(10)
    await Promise.all([isKept(selections, 'a', 6), isKept(selections, 'a', 6)])
    assert.equal(await isKept(selections, 'b', 2), false)
    assert.equal(await isKept(selections, 'a', 6), true)
    const failing = selections.get('c', 0, () => Promise.reject(new Error('no')))
    await assert.rejects(failing, /no/)
    assert.equal(await isKept(selections, 'c'), false)
  })

  it('make room for new ones: the one not asked for the longest goes first', async () => {
    const selections = new KeptSelections(10)
    for (const question of ['a', 'b']) await isKept(selections, question, 4)
    assert.equal(await isKept(selections, 'a', 4), true)
    assert.equal(await isKept(selections, 'c', 4), false)
    assert.equal(await isKept(selections, 'a', 4), true)
    assert.equal(await isKept(selections, 'c', 4), true)
    assert.equal(await isKept(selections, 'b', 4), false)
  })

  it('leave out one that is too large, by its answer or by its question', async () => {
    const selections = new KeptSelections(10)
    await isKept(selections, 'a', 1)
    assert.equal(await isKept(selections, 'large', 10), false)
    assert.equal(await isKept(selections, 'large', 10), false)
    await selections.get('long', 10, async () => [])
    assert.equal(await isKept(selections, 'long', 0), false)
    assert.equal(await isKept(selections, 'a', 1), true)
  })
})
