import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf } from './partition.ts'

test('a device keeps its partition for ever, and devices are spread evenly', () => {
  // Written down once: with other numbers, the records of a device would change their partition.
  assert.deepEqual(
    [1, 2, 3, 1000, 0xffff_ffff].map((uid) => partitionOf(uid, 16)),
    [7, 6, 7, 8, 9],
  )
  const devices = new Array<number>(12).fill(0)
  for (let uid = 1; uid <= 12_000; uid++) devices[partitionOf(uid, 12)]!++
  assert.ok(Math.min(...devices) > 850 && Math.max(...devices) < 1150, `${devices}`)
})
