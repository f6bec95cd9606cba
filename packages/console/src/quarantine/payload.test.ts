import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesOf, hexDump, textOf } from './payload.ts'
import { entryLine, reasonLabel } from './reasons.ts'

describe('a raw payload', () => {
  it('shows as text', () => {
    assert.equal(textOf(bytesOf(Buffer.from('{"t":"ü"}').toString('base64'))), '{"t":"ü"}')
    assert.equal(textOf(Uint8Array.of(0xff)), '\ufffd')
  })

  it('shows as hex, sixteen bytes a line', () => {
    const dump = hexDump(Uint8Array.from('{"temperature":1}\n', (character) => character.charCodeAt(0)))
    assert.deepEqual(dump.split('\n'), [
      '0000  7b 22 74 65 6d 70 65 72  61 74 75 72 65 22 3a 31  {"temperature":1',
      '0010  7d 0a                                             }.',
    ])
  })
})

describe('a reason', () => {
  it('names the metric, or is a sentence about the whole message', () => {
    assert.equal(entryLine({ metric: 't', message: '-300 is below -40' }), 't: -300 is below -40')
    assert.equal(entryLine({ metric: null, message: 'not JSON' }), 'Not JSON')
  })

  it('reads as words', () => {
    assert.equal(reasonLabel('outOfRange'), 'Out of range')
    assert.equal(reasonLabel('payloadNotJson'), 'Payload not JSON')
  })
})
