import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readFlat } from './read-flat.ts'
import { Readings } from './readings.ts'

function flat(text: string): [string, unknown][] | undefined {
  const readings = new Readings()
  const bytes = Buffer.from(`#${text}#`)
  if (!readFlat(bytes, 1, bytes.length - 1, readings)) {
    assert.equal(readings.length, 0)
    return undefined
  }
  assert.ok(readings.timeMicros.slice(0, readings.length).every(Number.isNaN))
  return Array.from({ length: readings.length }, (_, at) => [readings.metric[at]!, readings.value[at]])
}

function parsed(text: string): [string, unknown][] | undefined {
  try {
    return Object.entries(JSON.parse(text))
  } catch {
    return undefined
  }
}

describe('a flat object of numbers', () => {
  it('is read as JSON.parse reads it', () => {
    for (const text of [
      '{"temperature":21.45,"humidity":55.31,"pressure":1013.25}',
      ' {"a" : 1 ,\n\t"b":-0.5\r}  '.trimStart(),
      '{"a":-0}',
      '{"a":0.1,"b":123456789012345,"c":0.00000000000001,"d":999999999999.999}',
    ])
      assert.deepEqual(flat(text), parsed(text), text)
  })

  it('leaves everything else to the parser', () => {
    for (const text of [
      ...[
        '{}',
        '{',
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":1,}',
        '{"a":1}}',
        '{"a":1} x',
        '{"a" 1}',
        '{a:1}',
        '[1]',
      ],
      ...['{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":-}', '{"a":1e3}', '{"a":1E-3}', '{"a":NaN}'],
      ...['{"a":1234567890123456}', '{"a":0.1234567890123456}', '{"a":"1"}', '{"a":true}', '{"a":null}'],
      ...['{"a":1,"a":2}', '{"1":1,"a":2}', '{"ä":1}', '{"\\u0061":1}', '{"":1}', '{"a":{"b":1}}'],
      ...['{"ts":1,"values":{}}', '{"a":1,"ts":2}', '{"values":1}', '{"__proto__":1}'],
      JSON.stringify(Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`m${at}`, at]))),
    ])
      assert.equal(flat(text), undefined, text)
  })

  it('is never read otherwise than by JSON.parse, whatever it holds', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.integer({ min: -1_000_000, max: 1_000_000 }).map((value) => value / 1000),
    )
    const object = fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), number, { maxKeys: 20 })
    const text = fc.oneof(
      object.map((value) => JSON.stringify(value)),
      object.map((value) => JSON.stringify(value, null, 2)),
    )
    const mutated = fc
      .tuple(text, fc.nat(), fc.constantFrom('', '{', '}', '"', ',', '0', '.', '-', 'e', ' ', '\\'))
      .map(([whole, at, inserted]) => {
        const cut = at % (whole.length + 1)
        return whole.slice(0, cut) + inserted + whole.slice(cut + (at % 2))
      })
      .filter((value) => value.startsWith('{'))
    let read = 0
    fc.assert(
      fc.property(fc.oneof(text, mutated), (value) => {
        const found = flat(value)
        if (!found) return
        read++
        assert.deepEqual(found, parsed(value))
      }),
      { numRuns: 5_000 },
    )
    assert.ok(read > 200, `${read} of 5000 were plain enough`)
  })
})
