import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isDroverError } from '@drover/protocol'
import { openSource } from './source.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-source-'))
})
after(() => rm(folder, { recursive: true }))

async function read(name: string, content: string | Buffer, delimiter = ',') {
  const file = join(folder, name)
  await writeFile(file, content)
  const source = await openSource(file, delimiter)
  const rows: string[][] = []
  for await (const row of source.rows()) rows.push(row)
  return { rows, source }
}

test('reads header and rows, quoted cells and a byte order mark', async () => {
  const { rows, source } = await read('a.csv', '\ufefftime,"a, b"\r\n1,"say ""x"""\r\n\r\n2,\r\n')
  assert.deepEqual(rows, [
    ['time', 'a, b'],
    ['1', 'say "x"'],
    ['2', ''],
  ])
  assert.ok('rows' in source.total)
})

test('reads gzip, and knows how many rows there are', async () => {
  const lines = Array.from({ length: 10_000 }, (_, row) => `${row},x`)
  const { rows, source } = await read('b.csv.gz', gzipSync(`time,a\n${lines.join('\n')}\n`))
  assert.equal(rows.length, 10_001)
  assert.deepEqual(source.total, { rows: 10_000 })
})

test('takes another delimiter', async () => {
  assert.deepEqual((await read('c.csv', 'time;a\n1;1,5\n', ';')).rows, [
    ['time', 'a'],
    ['1', '1,5'],
  ])
})

test('refuses rows of another width, and names file and line', async () => {
  await assert.rejects(
    read('d.csv', 'time,a\n1,2\n3\n'),
    (error) => isDroverError(error, 'badRequest') && /d\.csv.*line 3/.test(error.message),
  )
})

test('a damaged gzip file is an error', async () => {
  await assert.rejects(read('e.csv.gz', 'no gzip at all'), /incorrect header check/)
})

test('a file that is not there is an error', async () => {
  await assert.rejects(openSource(join(folder, 'nowhere.csv'), ','), { code: 'ENOENT' })
})
