import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limits } from '@drover/protocol'
import { clientIdOf } from './message-keys.ts'
import { TestBench, type TestMessage } from './test-kit.ts'

/** A message of QoS 2 of a client, without a time of its own; its value tells it from others. */
function publish(value: number, key: string, resetSession = false): TestMessage {
  return { payload: { value }, key, resetSession }
}

function release(key: string): TestMessage {
  return { payload: '', key, release: true }
}

async function values(bench: TestBench): Promise<unknown[]> {
  const { value = [] } = await bench.contents()
  return value.map(([, one]) => one)
}

async function storedKeys(bench: TestBench): Promise<string[]> {
  return (await bench.store.writer.loadKeys('all')).map(({ key }) => key).sort()
}

describe('a message of QoS 2', () => {
  it('that comes again before its release is the same, in one batch and in the next', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'm:c:5'), publish(1, 'm:c:5'), publish(2, 'm:c:6'))
    await bench.send(publish(1, 'm:c:5'))
    assert.deepEqual(await values(bench), [1, 2])
    assert.equal(bench.processing.metrics.duplicates, 2)
    assert.deepEqual(await storedKeys(bench), ['m:c:5', 'm:c:6'])
  })

  it('is a new one once its packet id was released', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'm:c:5'), release('m:c:5'), publish(2, 'm:c:5'), publish(2, 'm:c:5'))
    assert.deepEqual(await values(bench), [1, 2])
    await bench.send(release('m:c:5'), release('m:c:5'))
    assert.deepEqual(await storedKeys(bench), [])
    await bench.send(publish(3, 'm:c:5'))
    assert.deepEqual(await values(bench), [1, 2, 3])
  })

  it('of another client, or another device, is another', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'm:c:5'), publish(2, 'm:d:5'), { ...publish(3, 'm:c:5'), device: 2 })
    assert.deepEqual(await values(bench), [1, 2])
    assert.equal((await bench.contents(2)).value!.length, 1)
  })

  it('of a new session is new, and other sessions keep what they hold', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'm:c:5'), publish(2, 'm:c:6'), publish(3, 'm:c:7:5'), publish(4, 'm:cc:5'))
    await bench.send(
      publish(5, 'm:c:5', true),
      publish(5, 'm:c:5'),
      publish(3, 'm:c:7:5'),
      publish(4, 'm:cc:5'),
    )
    assert.deepEqual(await values(bench), [1, 2, 3, 4, 5])
    assert.deepEqual(await storedKeys(bench), ['m:c:5', 'm:c:7:5', 'm:cc:5'])
  })

  it('is known after a restart, as its session is', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'm:c:5'), publish(2, 'm:c:6'), release('m:c:6'))
    await bench.stop()
    await bench.start()
    await bench.send(publish(1, 'm:c:5'), publish(3, 'm:c:6'))
    assert.deepEqual(await values(bench), [1, 2, 3])
    assert.deepEqual((await storedKeys(bench)).map(clientIdOf), ['c', 'c'])
  })

  it('that is not valid is kept in quarantine once', async () => {
    await using bench = await TestBench.open()
    await bench.send({ payload: 'garbage', key: 'm:c:1' }, { payload: 'garbage', key: 'm:c:1' })
    assert.equal((await bench.quarantine()).length, 1)
  })

  it('leaves no more keys behind than all sessions of a device may hold', async () => {
    await using bench = await TestBench.open()
    const keysMax = limits.inFlightPerConnectionMax * limits.connectionsPerDevice
    await bench.send(...Array.from({ length: keysMax + 10 }, (_, n) => publish(n, `m:client-${n}:1`)))
    assert.equal((await storedKeys(bench)).length, keysMax)
    await bench.send(publish(0, 'm:client-0:1'), publish(0, `m:client-${keysMax}:1`))
    assert.equal(bench.processing.metrics.duplicates, 1)
  })
})

describe('an idempotency key', () => {
  const hour = 3_600_000_000

  it('makes the same request one, for a day after its receipt', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'h:order-1'))
    bench.sender.nowMicros += limits.idempotencyKeyHours * hour - 1
    await bench.send(publish(1, 'h:order-1'))
    assert.deepEqual(await values(bench), [1])
    bench.sender.nowMicros += 2
    await bench.send(publish(2, 'h:order-1'))
    assert.deepEqual(await values(bench), [1, 2])
    assert.equal((await storedKeys(bench)).length, 1)
  })

  it('is not touched by another one that ends, whatever characters it has', async () => {
    await using bench = await TestBench.open()
    await bench.send(publish(1, 'h:a*'))
    bench.sender.nowMicros += hour
    await bench.send(publish(2, 'h:ab'))
    bench.sender.nowMicros += (limits.idempotencyKeyHours - 1) * hour
    // The first has ended by now, and is forgotten.
    await bench.send(publish(3, 'h:c'))
    await bench.stop()
    await bench.start()
    await bench.send(publish(2, 'h:ab'))
    assert.deepEqual(await values(bench), [1, 2, 3])
  })

  it('is forgotten first where a device has too many', async () => {
    await using bench = await TestBench.open()
    const { idempotencyKeysPerDeviceMax: keysMax } = limits
    await bench.send(...Array.from({ length: keysMax + 1 }, (_, n) => publish(n, `h:${n}`)))
    await bench.send(publish(0, 'h:0'), publish(5, 'h:5'))
    assert.equal((await storedKeys(bench)).length, keysMax)
    assert.equal(bench.processing.metrics.duplicates, 1)
  })
})
