import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCsvLine, formatNumber, formatTable } from './format.ts'

test('columns are as wide as their widest cell, numbers to the right', () => {
  const text = formatTable(
    ['ID', 'VALUE', 'UNIT'],
    [
      ['a', 1.5, 'Cel'],
      ['longer', 22, null],
    ],
  )
  assert.equal(text, 'ID      VALUE  UNIT\na         1.5  Cel\nlonger     22\n')
})

test('numbers lose the noise of their binary form', () => {
  assert.equal(formatNumber(0.1 + 0.2), '0.3')
  assert.equal(formatNumber(1e21), '1e+21')
  assert.equal(formatNumber(-0.0000001), '0')
})

test('CSV quotes what needs it', () => {
  assert.equal(
    formatCsvLine(['a,b', 'say "x"', 'two\nlines', 1.25, null]),
    '"a,b","say ""x""","two\nlines",1.25,\n',
  )
})
