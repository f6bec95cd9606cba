import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RetryOptions, retry } from './retry.ts'

function recorded(overrides: Partial<RetryOptions> = {}) {
  const delaysMs: number[] = []
  const options: RetryOptions = {
    retryable: () => true,
    attemptsMax: 6,
    firstDelayMs: 100,
    delayMsMax: 500,
    sleep: async (delayMs) => void delaysMs.push(delayMs),
    random: () => 0.999,
    ...overrides,
  }
  return { delaysMs, options }
}

function failing(times: number) {
  let calls = 0
  return async () => {
    if (++calls <= times) throw new Error(`failure ${calls}`)
    return calls
  }
}

test('answers the first success; waits double up to the largest', async () => {
  const { delaysMs, options } = recorded()
  assert.equal(await retry(failing(4), options), 5)
  assert.deepEqual(delaysMs.map(Math.round), [100, 200, 400, 500])
})

test('waits are spread from the half', async () => {
  const { delaysMs, options } = recorded({ random: () => 0 })
  await retry(failing(2), options)
  assert.deepEqual(delaysMs, [50, 100])
})

test('gives up after the last attempt, and at once when it is no use', async () => {
  await assert.rejects(retry(failing(9), recorded().options), /failure 6/)
  await assert.rejects(retry(failing(9), recorded({ retryable: () => false }).options), /failure 1/)
})

test('can be called off while it waits', async () => {
  const options = recorded({
    sleep: undefined,
    firstDelayMs: 60_000,
    signal: AbortSignal.timeout(10),
  }).options
  await assert.rejects(retry(failing(1), options), { name: 'AbortError' })
})
