import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inventories, type Segment } from './inventory.ts'

const segment = (file: string) => ({ file }) as Segment
const inventory = (...files: string[]) => ({
  tables: [],
  segments: files.map(segment),
  latest: undefined,
})

test('a replaced file goes when its last reader has finished, not before', () => {
  const removed: string[] = []
  const inventories = new Inventories(inventory('a', 'b'), (item) =>
    removed.push('file' in item ? item.file : item.table),
  )
  const [first, second] = [inventories.pin(), inventories.pin()]
  inventories.replace(inventory('c', 'b'))
  const third = inventories.pin()
  inventories.replace(inventory('c', 'd'))
  first.release()
  first.release()
  assert.deepEqual(removed, [])
  assert.deepEqual(
    second.inventory.segments.map(({ file }) => file),
    ['a', 'b'],
  )
  second.release()
  assert.deepEqual(removed, ['a'])
  third.release()
  assert.deepEqual(removed, ['a', 'b'])
  inventories.replace(inventory())
  assert.deepEqual(removed, ['a', 'b', 'c', 'd'])
})
