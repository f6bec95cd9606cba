import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GiveWay } from './give-way.ts'

const megabyte = 1_000_000
const stored = { lagMs: 100, spanMs: 50, bytes: 4 * megabyte, workMs: 1 }
const never = new AbortController().signal

/** A machine on which records come in at a rate while storing, and at another during a pause. */
class Machine {
  idleShare = 0
  hasOwnWork = false
  rates: { readonly storing: number; readonly pausing: number }
  readonly way: GiveWay
  #arrived = 0
  #atMs = performance.now()
  #isPausing = false

  constructor(storing: number, pausing: number, bytesMax = 1_000 * megabyte) {
    this.rates = { storing, pausing }
    this.way = new GiveWay({
      idleShare: () => this.idleShare,
      arrived: () => this.#count(),
      hasOwnWork: () => this.hasOwnWork,
      bytesMax,
    })
  }

  async pause(last: Partial<typeof stored> = {}, signal = never): Promise<boolean> {
    this.#count()
    this.#isPausing = true
    const hasPaused = await this.way.pause({ ...stored, ...last }, signal)
    this.#count()
    this.#isPausing = false
    return hasPaused
  }

  /** Stores for a while, as a loop does that asks after each batch whether to pause; answers whether it ever did. */
  async store(ms: number, last: Partial<typeof stored> = {}): Promise<boolean> {
    const until = performance.now() + ms
    for (let hasPaused = false; ; ) {
      await sleep(30)
      hasPaused ||= await this.pause(last)
      if (hasPaused || performance.now() > until) return hasPaused
    }
  }

  #count(): number {
    const nowMs = performance.now()
    const { storing, pausing } = this.rates
    this.#arrived += (nowMs - this.#atMs) * (this.#isPausing ? pausing : storing)
    this.#atMs = nowMs
    return this.#arrived
  }
}

describe('storing gives way', () => {
  it('to a burst, of which more comes in for it', async () => {
    const machine = new Machine(300, 600)
    assert.equal(await machine.store(5_000), true)
    const startedAt = performance.now()
    assert.equal(await machine.pause({ workMs: 20 }), true)
    assert.ok(performance.now() - startedAt >= 19 * 20)
  })

  it('not while a processor is idle', async () => {
    const machine = new Machine(300, 600)
    machine.idleShare = 0.5
    assert.equal(await machine.store(600), false)
  })

  it('not for long to a steady stream', async () => {
    const machine = new Machine(300, 300)
    assert.equal(await machine.store(5_000), true)
    const startedAt = performance.now()
    assert.equal(await machine.pause({ workMs: 20 }), false)
    assert.equal(await machine.store(500), false)
    assert.ok(performance.now() - startedAt < 900)
  })

  it('not to what was there before and comes to no more', async () => {
    const machine = new Machine(0, 0)
    assert.equal(await machine.store(1_000), false)
  })

  it('until it is too far behind, and then catches up', async () => {
    const machine = new Machine(300, 600)
    await machine.store(5_000)
    for (const [lagMs, expected] of [
      [9_000, true],
      [10_000, false],
      [2_000, false],
      [900, true],
    ] as const)
      assert.equal(await machine.pause({ lagMs }), expected, `${lagMs} ms behind`)
  })

  it('until too many bytes wait', async () => {
    const machine = new Machine(300, 600, 7 * megabyte)
    assert.equal(await machine.store(600), false)
  })

  it('not at an end that is asked for', async () => {
    const machine = new Machine(300, 600)
    await machine.store(5_000)
    const startedAt = performance.now()
    await machine.pause({ workMs: 100_000 }, AbortSignal.abort())
    assert.ok(performance.now() - startedAt < 5_000)
  })
})
