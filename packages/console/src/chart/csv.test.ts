import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { createClient } from '@drover/sdk/client'
import { csvFileName, csvOf } from './csv.ts'

const values = [1.5, 'a "b", c', '=1+1', true, { x: 1 }]
const server = createServer((request, response) => {
  const second = request.url!.includes('cursor=2')
  const points = (second ? values.slice(2) : values.slice(0, 2)).map((value, index) => ({
    time: `2026-01-01T00:00:0${index}Z`,
    value,
    quality: 'good',
  }))
  response.end(JSON.stringify({ points, nextCursor: second ? null : '2' }))
})
after(() => server.close())

describe('the CSV of a chart', () => {
  it('holds all pages, each field quoted where it must be', async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = createClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const counted: number[] = []
    let text = ''
    const request = { device: 'd', metric: 'm', window: { from: 0, to: 1 } }
    for await (const part of csvOf(client, { ...request, onRows: (rows) => counted.push(rows) })) text += part
    assert.deepEqual(text.split('\n'), [
      'time,value,quality',
      '2026-01-01T00:00:00Z,1.5,good',
      '2026-01-01T00:00:01Z,"a ""b"", c",good',
      "2026-01-01T00:00:00Z,'=1+1,good",
      '2026-01-01T00:00:01Z,true,good',
      '2026-01-01T00:00:02Z,"{""x"":1}",good',
      '',
    ])
    assert.deepEqual(counted, [2, 5])
  })

  it('has a name that every system takes', () => {
    assert.equal(
      csvFileName('a:1', 'temp °C/in', { from: 0, to: 86_400_000 }),
      'a-1_temp-C-in_19700101T0000_19700102T0000.csv',
    )
  })
})
