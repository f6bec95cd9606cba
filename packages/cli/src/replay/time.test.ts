import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { createTimeReader, parseZone } from './time.ts'

function read(cells: readonly string[], format: string, zone = 'UTC'): string | undefined {
  const reader = createTimeReader({ columns: [...cells.keys()], format, zone: parseZone(zone) })
  const milliseconds = reader(cells)
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString()
}

test('reads dates and times of day as ISO 8601 and as people write them', () => {
  assert.equal(read(['2013-12-02 21:15:00'], 'iso'), '2013-12-02T21:15:00.000Z')
  assert.equal(read(['2013-12-02T21:15'], 'iso'), '2013-12-02T21:15:00.000Z')
  assert.equal(read(['2013-12-02'], 'iso'), '2013-12-02T00:00:00.000Z')
  assert.equal(read(['2013-12-02T21:15:00.25Z'], 'iso'), '2013-12-02T21:15:00.250Z')
})

test('an offset in the text goes before the zone', () => {
  assert.equal(read(['2013-12-02T21:15:00-0500'], 'iso', '+08:00'), '2013-12-03T02:15:00.000Z')
})

test('joins several columns by a blank', () => {
  assert.equal(read(['2013-12-02', '21:15'], 'iso'), '2013-12-02T21:15:00.000Z')
})

test('reads columns of year, month, day and hour in a zone of fixed offset', () => {
  assert.equal(read(['2013', '3', '1', '0'], 'parts', '+08:00'), '2013-02-28T16:00:00.000Z')
})

test('reads seconds and milliseconds since 1970', () => {
  assert.equal(read(['1386018900'], 'seconds'), '2013-12-02T21:15:00.000Z')
  assert.equal(read(['1386018900500'], 'milliseconds'), '2013-12-02T21:15:00.500Z')
})

test('reads a pattern of its own', () => {
  assert.equal(read(['2.12.2013 21:15'], 'DD.MM.YYYY HH:mm'), '2013-12-02T21:15:00.000Z')
  assert.equal(read(['2013-12-02 21:15'], 'DD.MM.YYYY HH:mm'), undefined)
})

test('gives nothing for what is no time', () => {
  for (const [text, format] of [
    ['', 'iso'],
    ['soon', 'iso'],
    ['2013-06-31', 'iso'],
    ['2013-02-29 10:00:00', 'iso'],
    ['2013-01-01 24:00:00', 'iso'],
    ['', 'seconds'],
    ['2013', 'DD.MM.YYYY'],
  ] as const)
    assert.equal(read([text], format), undefined, text)
  assert.equal(read(['2013', '13', '1', '0'], 'parts'), undefined)
})

test('knows summer time: an hour that is skipped, and one that comes twice', () => {
  const berlin = (text: string) => read([text], 'iso', 'Europe/Berlin')
  assert.equal(berlin('2026-01-15 12:00:00'), '2026-01-15T11:00:00.000Z')
  assert.equal(berlin('2026-07-15 12:00:00'), '2026-07-15T10:00:00.000Z')
  assert.equal(berlin('2026-03-29 01:59:00'), '2026-03-29T00:59:00.000Z')
  assert.equal(berlin('2026-03-29 02:30:00'), '2026-03-29T01:30:00.000Z')
  assert.equal(berlin('2026-03-29 03:00:00'), '2026-03-29T01:00:00.000Z')
  assert.equal(berlin('2026-10-25 01:59:00'), '2026-10-24T23:59:00.000Z')
  assert.equal(berlin('2026-10-25 02:30:00'), '2026-10-25T00:30:00.000Z')
  assert.equal(berlin('2026-10-25 03:00:00'), '2026-10-25T02:00:00.000Z')
})

test('refuses a zone and a pattern that it does not know', () => {
  assert.throws(
    () => parseZone('Mars/Olympus'),
    (error) => isDroverError(error, 'badRequest'),
  )
  assert.throws(
    () => createTimeReader({ columns: [0], format: 'sometime', zone: parseZone('UTC') }),
    (error) => isDroverError(error, 'badRequest'),
  )
})
