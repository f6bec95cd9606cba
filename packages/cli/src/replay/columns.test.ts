import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDroverError } from '@drover/protocol'
import { type ColumnOptions, createRowReader } from './columns.ts'

const defaults: ColumnOptions = {
  deviceId: 'one',
  timeFormat: 'iso',
  timeZone: 'UTC',
  except: [],
  strings: [],
  missing: ['', 'NA'],
}
const midnight = Date.UTC(2026, 0, 1)

test('sends every column that is not used otherwise, as numbers, booleans and text', () => {
  const read = createRowReader(['time', 'station', 'PM2.5', 'on', 'wd', 'No'], {
    ...defaults,
    deviceId: undefined,
    device: 'station',
    except: ['No'],
  })
  assert.deepEqual(read(['2026-01-01', 'Tiantan', '4.5', 'TRUE', 'NNW', '7']), {
    device: 'Tiantan',
    time: midnight,
    values: { 'PM2.5': 4.5, on: true, wd: 'NNW' },
  })
})

test('leaves missing values out, and rows without any', () => {
  const read = createRowReader(['time', 'a', 'b'], defaults)
  assert.deepEqual(read(['2026-01-01', 'NA', ' 2 ']), { device: 'one', time: midnight, values: { b: 2 } })
  assert.equal(read(['2026-01-01', 'NA', '']), 'noValues')
})

test('keeps text columns as text', () => {
  const read = createRowReader(['time', 'code'], { ...defaults, strings: ['code'] })
  assert.deepEqual(read(['2026-01-01', '007']), { device: 'one', time: midnight, values: { code: '007' } })
})

test('does not take words of JavaScript or too large numbers for numbers', () => {
  const read = createRowReader(['time', 'a'], defaults)
  for (const text of ['Infinity', 'NaN', '0x10', '1e999', '1_000'])
    assert.deepEqual(read(['2026-01-01', text]), { device: 'one', time: midnight, values: { a: text } })
})

test('says what is wrong with a row', () => {
  const read = createRowReader(['time', 'device', 'a'], { ...defaults, device: 'device' })
  assert.equal(read(['yesterday', 'one', '1']), 'noTime')
  assert.equal(read(['2026-01-01', '', '1']), 'noDevice')
})

test('finds the usual time column, and asks where there is none', () => {
  const read = createRowReader(['Timestamp', 'value'], defaults)
  assert.deepEqual(read(['2026-01-01', '1']), { device: 'one', time: midnight, values: { value: 1 } })
  assert.throws(
    () => createRowReader(['when', 'value'], defaults),
    (error) => isDroverError(error, 'badRequest') && error.message.includes('--time'),
  )
})

test('refuses a column that the file does not have, and names those that it has', () => {
  assert.throws(
    () => createRowReader(['time', 'value'], { ...defaults, metrics: ['values'] }),
    (error) => isDroverError(error, 'badRequest') && error.message.includes('time, value'),
  )
})
