import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encode, Tagged } from 'cborg'
import fc from 'fast-check'
import { type ContentType, contentTypes } from '../queue/batch.ts'
import { decode } from './decode.ts'
import { Readings } from './readings.ts'
import { bytesOf, startMicros } from './test-kit.ts'

const { unknown, json, senmlJson, senmlCbor, cbor } = contentTypes

type Decoded = string | { values: unknown[][]; refused: string[]; units?: Record<string, string> }

/** The reason, or the values as [metric, value, µs after the receipt or the time; none for the receipt]. */
function decoded(payload: Uint8Array | string | object, contentType: ContentType = unknown): Decoded {
  const before = Buffer.from('before')
  const bytes = Buffer.concat([before, bytesOf(payload), Buffer.from('after')])
  const readings = new Readings()
  const slice = {
    bytes,
    payloadStart: before.length,
    payloadEnd: bytes.length - 'after'.length,
    contentType,
  }
  const refusal = decode(slice, startMicros, readings)
  if (refusal) return refusal.reason
  const values = Array.from({ length: readings.length }, (_, at) => {
    const time = readings.timeMicros[at]!
    const value = [readings.metric[at], readings.value[at]]
    return Number.isNaN(time) ? value : [...value, time]
  })
  const refused = readings.refused.map(({ reason }) => reason)
  return readings.units.size === 0
    ? { values, refused }
    : { values, refused, units: Object.fromEntries(readings.units) }
}

function valuesOf(payload: Uint8Array | string | object, contentType?: ContentType): unknown[][] {
  const result = decoded(payload, contentType)
  assert.ok(typeof result === 'object', `refused as ${result}`)
  assert.deepEqual(result.refused, [])
  return result.values
}

const ts = Date.UTC(2026, 10, 22, 11) // ms
const time = ts * 1000

describe('the shapes of telemetry', () => {
  it('are one object of metrics', () => {
    assert.deepEqual(valuesOf('{"temperature":21.4,"door":"open","on":true}'), [
      ['temperature', 21.4],
      ['door', 'open'],
      ['on', true],
    ])
    assert.deepEqual(valuesOf({}), [])
  })

  it('or values with a time in milliseconds or RFC 3339', () => {
    for (const at of [ts, String(ts), new Date(ts).toISOString(), '2026-11-22T19:00:00+08:00'])
      assert.deepEqual(valuesOf({ ts: at, values: { a: 1, b: 2 } }), [
        ['a', 1, time],
        ['b', 2, time],
      ])
    assert.deepEqual(valuesOf({ values: { a: 1 }, ts }), [['a', 1, time]])
    assert.deepEqual(valuesOf({ values: { a: 1 } }), [['a', 1]])
  })

  it('or an array of those, mixed', () => {
    assert.deepEqual(valuesOf([{ a: 1 }, { ts, values: { a: 2 } }, { b: 3 }]), [
      ['a', 1],
      ['a', 2, time],
      ['b', 3],
    ])
    assert.deepEqual(valuesOf([]), [])
  })

  it('keep a metric named `values` where it stands among others', () => {
    assert.deepEqual(valuesOf({ values: { x: 1 }, other: 2 }), [
      ['values', { x: 1 }],
      ['other', 2],
    ])
    assert.deepEqual(valuesOf({ values: 5 }), [['values', 5]])
  })

  it('give nested values whole', () => {
    assert.deepEqual(valuesOf({ place: { latitude: 1, longitude: 2 }, list: [1, [2]] }), [
      ['place', { latitude: 1, longitude: 2 }],
      ['list', [1, [2]]],
    ])
  })

  it('treat names of prototypes as any other', () => {
    const values = valuesOf('{"__proto__":{"polluted":1},"constructor":2,"toString":3}')
    assert.deepEqual(
      values.map(([name]) => name),
      ['__proto__', 'constructor', 'toString'],
    )
    assert.equal(({} as { polluted?: number }).polluted, undefined)
    assert.deepEqual(valuesOf('{"ts":1,"values":{"__proto__":5}}'), [['__proto__', 5, 1000]])
  })

  it('take the last of a key that stands twice in an object', () => {
    assert.deepEqual(valuesOf('{"a":1,"a":2}'), [['a', 2]])
  })

  it('refuse only the part that is wrong', () => {
    assert.deepEqual(decoded([{ a: 1 }, 5, { ts: 'soon', values: { b: 1 } }, { ts, values: [] }, null]), {
      values: [['a', 1]],
      refused: ['payloadShape', 'timeInvalid', 'payloadShape', 'payloadShape'],
    })
    assert.deepEqual(decoded({ ts, values: { a: 1 }, temperature: 3 }), {
      values: [['a', 1, time]],
      refused: ['payloadShape'],
    })
    assert.deepEqual(decoded({ ts, temperature: 3 }), {
      values: [],
      refused: ['payloadShape', 'payloadShape'],
    })
    assert.deepEqual(decoded({ ts: null, values: { a: 1 } }), { values: [], refused: ['timeInvalid'] })
  })
})

describe('a payload as a whole', () => {
  const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

  it('is refused with one reason', () => {
    const cases: [Uint8Array | string, string, ContentType?][] = [
      ['', 'payloadShape'],
      ['5', 'payloadShape'],
      ['"x"', 'payloadShape'],
      ['null', 'payloadShape'],
      ['garbage', 'payloadNotJson'],
      ['{"a":NaN}', 'payloadNotJson'],
      ['{"a":1', 'payloadNotJson'],
      ['\ufeff{"a":1}', 'payloadNotJson'],
      [Buffer.from('{"a":"\xff"}', 'latin1'), 'payloadNotJson'],
      ['['.repeat(100_000), 'payloadNotJson'],
      [deep(10_000), 'payloadTooDeep'],
      [`{"a":${deep(10_000)}}`, 'payloadTooDeep'],
      [`{"ts":1,"values":{"a":${deep(10_000)}}}`, 'payloadTooDeep'],
      [`{"ts":${deep(10_000)},"values":{}}`, 'payloadTooDeep'],
      [`{"ts":1,"values":${deep(10_000)}}`, 'payloadTooDeep'],
      [`{"ts":1,"more":${deep(10_000)}}`, 'payloadTooDeep'],
      [`[[${deep(10_000)}]]`, 'payloadTooDeep'],
      [`[{"n":"a","v":1},{"n":"b","vs":${deep(10_000)}}]`, 'payloadTooDeep'],
      [`{${Array.from({ length: 20_000 }, (_, n) => `"m${n}":1`)}}`, 'payloadTooManyValues'],
      [JSON.stringify(Array.from({ length: 10_001 }, () => 5)), 'payloadTooManyValues'],
      ['{"a":1}', 'payloadNotCbor', cbor],
      [Buffer.from('a161', 'hex'), 'payloadNotCbor'],
      [Buffer.from('9b00ffffffffffffff', 'hex'), 'payloadNotCbor'],
      [Buffer.from('bb0000ffffffffffff', 'hex'), 'payloadNotCbor'],
      [Buffer.from('5affffffff', 'hex'), 'payloadNotCbor', cbor],
      [Buffer.concat([Buffer.alloc(200_000, 0x81), Buffer.from([1])]), 'payloadTooDeep'],
      [Buffer.concat([Buffer.alloc(200_000, 0x9f), Buffer.from([1])]), 'payloadTooDeep'],
      [Buffer.concat([Buffer.from('d9d9f7'.repeat(50_000), 'hex'), Buffer.from([1])]), 'payloadTooDeep'],
      [Buffer.from('a10a01', 'hex'), 'payloadNotCbor'],
      [Buffer.from('a2616101616102', 'hex'), 'payloadNotCbor'],
      [Buffer.from('83010203', 'hex'), 'payloadNotSenml', senmlCbor],
      ['{"n":"a","v":1}', 'payloadNotSenml', senmlJson],
      ['[{"n":"a","v":"1"}]', 'payloadNotSenml', senmlJson],
      ['[{"n":"a","v":1,"vs":"x"}]', 'payloadNotSenml'],
      ['[{"v":1}]', 'payloadNotSenml', senmlJson],
      ['[{"n":"a"}]', 'payloadNotSenml'],
      ['[{"n":"a","v":1,"new_":1}]', 'payloadNotSenml', senmlJson],
      ['[{"bver":11,"n":"a","v":1}]', 'payloadNotSenml'],
    ]
    for (const [payload, reason, contentType] of cases)
      assert.equal(decoded(payload, contentType), reason, String(payload).slice(0, 60))
  })

  it('may be nested as deep as the limit', () => {
    assert.equal(valuesOf(`{"a":${deep(31)}}`).length, 1)
    assert.equal(decoded(`{"a":${deep(32)}}`), 'payloadTooDeep')
    const inCbor = (depth: number) =>
      Buffer.concat([Buffer.from('a16161', 'hex'), Buffer.alloc(depth - 1, 0x81), Buffer.from([0x80])])
    assert.equal(valuesOf(inCbor(31)).length, 1)
    assert.equal(decoded(inCbor(32)), 'payloadTooDeep')
  })
})

describe('CBOR', () => {
  it('has the shapes of JSON', () => {
    const shapes = [{ a: 1.5, b: 'x' }, { ts, values: { a: true } }, [{ a: 1 }, { ts, values: { a: 2 } }]]
    for (const shape of shapes) {
      assert.deepEqual(valuesOf(encode(shape)), valuesOf(shape))
      assert.deepEqual(valuesOf(encode(shape), cbor), valuesOf(shape))
    }
  })

  it('gives numbers of any size, and bytes as base64url', () => {
    const values = { big: 2n ** 60n, bytes: new Uint8Array([255, 254]), nothing: undefined, inf: Infinity }
    assert.deepEqual(valuesOf(encode(values)).sort(), [
      ['big', 2 ** 60],
      ['bytes', '__4'],
      ['inf', Infinity],
      ['nothing', null],
    ])
  })

  it('is read through its own mark, and with decimal fractions', () => {
    const fraction = new Tagged(4, [-2, 2154])
    assert.deepEqual(valuesOf(encode(new Tagged(55799, { a: fraction }))), [['a', 21.54]])
  })

  it('keeps names of prototypes harmless', () => {
    assert.deepEqual(valuesOf(encode(new Map([['__proto__', 1]]))), [['__proto__', 1]])
  })
})

describe('SenML (RFC 8428)', () => {
  it('resolves the base fields (5.1.3, and its absolute times)', () => {
    const pack = [
      {
        bn: 'urn:dev:ow:10e2073a0108006:',
        bt: 1.276020076001e9,
        bu: 'A',
        bver: 5,
        n: 'voltage',
        u: 'V',
        v: 120.1,
      },
      { n: 'current', t: -5, v: 1.2 },
      { n: 'current', t: -4, v: 1.3 },
    ]
    const at = 1_276_020_076_001_000
    const result = decoded(pack)
    assert.deepEqual(result, {
      values: [
        ['urn:dev:ow:10e2073a0108006:voltage', 120.1, at],
        ['urn:dev:ow:10e2073a0108006:current', 1.2, at - 5_000_000],
        ['urn:dev:ow:10e2073a0108006:current', 1.3, at - 4_000_000],
      ],
      refused: [],
      units: { 'urn:dev:ow:10e2073a0108006:voltage': 'V', 'urn:dev:ow:10e2073a0108006:current': 'A' },
    })
  })

  it('counts small times from the receipt, and takes zero as the receipt (4.5.3)', () => {
    assert.deepEqual(
      valuesOf([
        { n: 'a', v: 1 },
        { n: 'b', t: -10, v: 2 },
        { n: 'c', t: 2 ** 28, v: 3 },
      ]),
      [
        ['a', 1],
        ['b', 2, startMicros - 10_000_000],
        ['c', 3, 2 ** 28 * 1e6],
      ],
    )
  })

  it('has strings, booleans, data, sums and base values', () => {
    assert.deepEqual(
      valuesOf([
        { bn: 'x/', bv: 20, bs: 100, n: 'a', v: 1.5, s: 7 },
        { n: 'b', vs: 'text' },
        { n: 'c', vb: false },
        { n: 'd', vd: 'aGk' },
        { n: 'e', s: 1 },
      ]),
      [
        ['x/a', 21.5],
        ['x/a.sum', 107],
        ['x/b', 'text'],
        ['x/c', false],
        ['x/d', 'aGk'],
        ['x/e.sum', 101],
      ],
    )
  })

  it('is read from CBOR by its integer labels (6, and the example of 6)', () => {
    const pack = [
      new Map<number, unknown>([
        [-2, 'urn:dev:ow:1:'],
        [-3, 1276020076.001],
        [-4, 'A'],
        [-1, 5],
        [0, 'voltage'],
        [1, 'V'],
        [2, 120.1],
      ]),
      new Map<number, unknown>([
        [0, 'current'],
        [6, -5],
        [2, 1.2],
      ]),
      new Map<number, unknown>([
        [0, 'on'],
        [4, true],
      ]),
      new Map<number, unknown>([
        [0, 'raw'],
        [8, new Uint8Array([104, 105])],
      ]),
    ]
    const bytes = encode(pack)
    const expected = [
      ['urn:dev:ow:1:voltage', 120.1, 1_276_020_076_001_000],
      ['urn:dev:ow:1:current', 1.2, 1_276_020_071_001_000],
      ['urn:dev:ow:1:on', true, 1_276_020_076_001_000],
      ['urn:dev:ow:1:raw', 'aGk', 1_276_020_076_001_000],
    ]
    for (const type of [unknown, cbor, senmlCbor]) assert.deepEqual(valuesOf(bytes, type), expected)
  })

  it('is told from telemetry of the same look', () => {
    assert.deepEqual(valuesOf([{ n: 5, v: 1 }]), [
      ['n', 5],
      ['v', 1],
    ])
    assert.deepEqual(valuesOf([{ n: 'a', v: 1, speed: 3 }]).length, 3)
    assert.deepEqual(valuesOf([{ n: 'a', v: 1 }], json), [['a', 1]])
  })

  it('sets base fields by a record that has nothing else', () => {
    assert.deepEqual(
      valuesOf([
        { bn: 'a/', bt: 2 ** 28 },
        { n: 'b', v: 1 },
      ]),
      [['a/b', 1, 2 ** 28 * 1e6]],
    )
  })

  it('refuses a time that no calendar has, and keeps the rest', () => {
    assert.deepEqual(
      decoded([
        { n: 'a', t: 1e300, v: 1 },
        { n: 'b', v: 2 },
      ]),
      {
        values: [['b', 2]],
        refused: ['timeInvalid'],
      },
    )
  })
})

describe('whatever bytes come', () => {
  const types = fc.constantFrom(...Object.values(contentTypes))
  const parameters = { seed: 20261122, numRuns: 2_000 }
  const shapes = fc.oneof(
    fc.jsonValue(),
    fc.array(
      fc.dictionary(
        fc.constantFrom('n', 'bn', 'v', 'vs', 't', 'ts', 'values', '__proto__', 'a'),
        fc.jsonValue(),
      ),
    ),
  )

  it('random ones are values or one reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), types, (bytes, type) => {
        decoded(bytes, type)
      }),
      parameters,
    )
  })

  it('and so is any JSON and CBOR, and what one changed byte makes of it', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), fc.nat(), fc.nat(255), types, (value, asCbor, at, byte, type) => {
        const bytes = Buffer.from(asCbor ? encode(value) : bytesOf(JSON.stringify(value)))
        decoded(bytes, type)
        bytes[at % bytes.length] = byte
        decoded(bytes, type)
      }),
      parameters,
    )
  })

  it('an object of numbers comes back as it is', () => {
    const numbers = fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== 'ts' && name !== 'values'),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    fc.assert(
      fc.property(numbers, (object) => {
        const expected = Object.entries(object).map(([name, value]) => [name, value === 0 ? 0 : value])
        assert.deepEqual(valuesOf(JSON.stringify(object)), expected)
      }),
      parameters,
    )
  })
})
