import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { backupLog, isLogError, type LogOptions, openLog, openLogReader } from './index.ts'

function folder(t: { after(fn: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'drover-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const open = (directory: string, options: Partial<LogOptions> = {}) =>
  openLog({ directory, bytesMax: 1 << 30, ...options })

const batch = (text: string, count = 1) => ({ bytes: Buffer.from(text), count })
const texts = (entries: readonly { bytes: Uint8Array }[]) =>
  entries.map(({ bytes }) => Buffer.from(bytes).toString())
const code = (expected: string) => (error: unknown) => isLogError(error) && error.code === expected

test('positions count records and have no gaps', (t) => {
  const log = open(folder(t))
  t.after(() => log.close())
  assert.equal(log.append([batch('a', 3), batch('b', 2)]), 1)
  assert.equal(log.append([batch('c')]), 6)
  assert.deepEqual(
    log.read(0, 1000).map(({ firstPosition, count }) => [firstPosition, count]),
    [
      [1, 3],
      [4, 2],
      [6, 1],
    ],
  )
  assert.throws(() => log.append([batch('none', 0)]), RangeError)
  assert.equal(log.append([batch('d')]), 7)
})

test('read gives at least one batch, then as many as the limit allows', (t) => {
  const log = open(folder(t))
  t.after(() => log.close())
  log.append([batch('aaaa', 2), batch('bbbb', 2), batch('cccc', 2)])
  assert.deepEqual(texts(log.read(0, 1)), ['aaaa'])
  assert.deepEqual(texts(log.read(0, 8)), ['aaaa', 'bbbb'])
  assert.deepEqual(texts(log.read(2, 1000)), ['bbbb', 'cccc'])
  assert.deepEqual(texts(log.read(3, 1000)), ['bbbb', 'cccc'], 'a position inside a batch gives it whole')
  assert.deepEqual(texts(log.read(6, 1000)), [])
})

test('emptied by retention, restarted, appended, consumed: positions go on', (t) => {
  const directory = folder(t)
  const before = open(directory)
  before.addConsumer('store')
  before.append([batch('a', 5)])
  before.commit('store', 5)
  before.close()
  const log = open(directory)
  t.after(() => log.close())
  assert.equal(log.status.bytes, 0)
  assert.equal(log.status.firstPosition, 6)
  assert.equal(log.identity, before.identity)
  assert.equal(log.append([batch('b', 2)]), 6)
  const after = log.addConsumer('store', { identity: log.identity, position: 5 })
  assert.deepEqual(texts(log.read(after, 1000)), ['b'])
})

test('a transaction that fails leaves nothing behind', (t) => {
  const directory = folder(t)
  const log = open(directory)
  t.after(() => log.close())
  log.append([batch('a')])
  const other = new DatabaseSync(join(directory, 'log.sqlite'))
  other.exec('BEGIN IMMEDIATE')
  assert.throws(() => log.append([batch('b'), batch('c')]), code('unavailable'))
  other.exec('ROLLBACK')
  other.close()
  assert.equal(log.append([batch('d')]), 2)
  assert.deepEqual(texts(log.read(0, 100)), ['a', 'd'])
})

test('at its limit the log refuses, and goes on once a consumer has committed', (t) => {
  const log = open(folder(t), { bytesMax: 10 })
  t.after(() => log.close())
  log.addConsumer('store')
  log.append([batch('12345'), batch('1234')])
  assert.throws(() => log.append([batch('12')]), code('full'))
  log.append([batch('1')])
  log.commit('store', 1)
  assert.throws(() => log.append([batch('1')]), code('full'))
  while (log.maintain());
  log.append([batch('12345')])
  assert.deepEqual(texts(log.read(0, 100)), ['1234', '1', '12345'])
})

test('below the disk reserve the log refuses, but retention works', (t) => {
  let free = 1000
  const log = open(folder(t), { diskReserveBytes: 500, freeBytes: () => free })
  t.after(() => log.close())
  log.addConsumer('store')
  log.append([batch('a')])
  free = 499
  const refused = () => log.append([batch('b')])
  assert.throws(() => {
    for (let each = 0; each < 1000; each++) refused()
  }, code('diskReserve'))
  assert.throws(refused, code('diskReserve'))
  const { nextPosition } = log
  log.commit('store', nextPosition - 1)
  while (log.maintain(true));
  assert.equal(log.status.bytes, 0)
  free = 500
  assert.equal(log.append([batch('c')]), nextPosition)
})

test('a consumer is remembered from its start on, also by a log that is killed', (t) => {
  const directory = folder(t)
  const log = open(directory)
  log.addConsumer('rules')
  log.append([batch('a', 3)])
  log.addConsumer('store')
  log.commit('store', 3)
  // Not closed: another log reads what is on the disk.
  const after = open(directory)
  assert.deepEqual(after.status.committed, { rules: 0, store: 0 })
  after.close()
  log.close()
})

test('retention never passes the slowest consumer, nor splits a batch', (t) => {
  const log = open(folder(t))
  t.after(() => log.close())
  log.addConsumer('store')
  log.addConsumer('rules')
  log.append([batch('a', 10), batch('b', 10), batch('c', 10)])
  const keep = () => {
    while (log.maintain(true));
    return texts(log.read(0, 1000))
  }
  log.commit('store', 30)
  assert.deepEqual(keep(), ['a', 'b', 'c'])
  log.commit('rules', 15)
  assert.deepEqual(keep(), ['b', 'c'])
  assert.equal(log.maintain(true), false)
  log.commit('rules', 12)
  assert.equal(log.status.committed.rules, 15, 'a commit never goes back')
  log.removeConsumer('rules')
  assert.deepEqual(keep(), [])
  assert.throws(() => log.commit('store', 31), RangeError)
  assert.throws(() => log.commit('nobody', 1), RangeError)
})

test('a consumer that goes on where the log does not reach is refused', (t) => {
  const directory = folder(t)
  const first = open(directory)
  first.addConsumer('store')
  first.append([batch('a', 10), batch('b', 10)])
  first.commit('store', 10)
  first.close()
  const log = open(directory)
  t.after(() => log.close())
  const { identity } = log
  assert.throws(() => log.addConsumer('late', { identity, position: 9 }), code('positionGone'))
  assert.throws(() => log.addConsumer('early', { identity, position: 21 }), code('positionGone'))
  assert.throws(
    () => log.addConsumer('foreign', { identity: 'feed', position: 15 }),
    code('identityMismatch'),
  )
  assert.equal(log.addConsumer('store', { identity, position: 20 }), 20)
  assert.equal(log.addConsumer('fresh'), 10)
})

test('a backup taken while the log is written is a log of its own that accepts earlier positions', async (t) => {
  const directory = folder(t)
  const target = folder(t)
  const log = open(directory)
  t.after(() => log.close())
  for (let each = 0; each < 200; each++) log.append([{ bytes: Buffer.alloc(50_000, each), count: 2 }])
  const copied = backupLog(directory, target)
  let done = false
  copied.finally(() => {
    done = true
  })
  while (!done) {
    log.append([batch('later')])
    await new Promise(setImmediate)
  }
  await copied

  const copy = open(target)
  t.after(() => copy.close())
  const kept = copy.read(0, 1 << 30)
  assert.ok(kept.length >= 200)
  const end = copy.nextPosition - 1
  assert.notEqual(copy.identity, log.identity)
  assert.equal(copy.addConsumer('store', { identity: log.identity, position: end }), end)
  copy.append([batch('other', 100)])
  assert.equal(copy.addConsumer('store', { identity: copy.identity, position: end + 100 }), end + 100)
  assert.throws(
    () => copy.addConsumer('store', { identity: log.identity, position: end + 1 }),
    code('identityMismatch'),
  )
  assert.throws(
    () => log.addConsumer('store', { identity: copy.identity, position: end + 1 }),
    code('identityMismatch'),
  )
})

test('a note is kept with the log', (t) => {
  const directory = folder(t)
  const log = open(directory)
  assert.equal(log.note, '')
  log.note = '42'
  log.close()
  const again = open(directory)
  t.after(() => again.close())
  assert.equal(again.note, '42')
})

test('every commit is synced: the live connection runs WAL with synchronous=FULL', (t) => {
  const directory = folder(t)
  const opened: DatabaseSync[] = []
  const { prepare } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
    if (!opened.includes(this)) opened.push(this)
    return prepare.call(this, sql)
  }
  t.after(() => {
    DatabaseSync.prototype.prepare = prepare
  })
  const log = open(directory)
  t.after(() => log.close())
  log.append([batch('a')])
  while (log.maintain(true));
  assert.equal(opened.length, 1)
  assert.equal(opened[0]!.prepare('PRAGMA synchronous').get()!.synchronous, 2)
  assert.equal(opened[0]!.prepare('PRAGMA journal_mode').get()!.journal_mode, 'wal')
})

test('files stay small while the log is filled and emptied, with a reader that hardly pauses', (t) => {
  const directory = folder(t)
  const log = open(directory)
  t.after(() => log.close())
  const reader = openLogReader(directory)
  t.after(() => reader.close())
  log.addConsumer('store')
  const bytes = Buffer.alloc(64 << 10, 7)
  let after = 0
  for (let turn = 0; turn < 800; turn++) {
    log.append([{ bytes, count: 100 }])
    const read = reader.read(after, 1 << 20)
    assert.equal(read.length, 1)
    after += 100
    log.commit('store', after)
    while (log.maintain());
  }
  const size = (name: string) => statSync(join(directory, name)).size
  assert.ok(size('log.sqlite') < 8 << 20, `file ${size('log.sqlite')}`)
  assert.ok(size('log.sqlite-wal') < 16 << 20, `wal ${size('log.sqlite-wal')}`)
})

test('the file shrinks after a long backlog', (t) => {
  const directory = folder(t)
  const log = open(directory)
  log.addConsumer('store')
  const bytes = Buffer.alloc(1 << 20, 7)
  for (let each = 0; each < 48; each++) log.append([{ bytes, count: 1 }])
  while (log.maintain());
  const size = () => statSync(join(directory, 'log.sqlite')).size
  assert.ok(size() > 32 << 20)
  log.commit('store', 48)
  while (log.maintain(true));
  log.close()
  assert.ok(size() < 20 << 20, `${size()}`)
})

test('below the disk reserve an emptied log gives all its space back', (t) => {
  const directory = folder(t)
  const size = (name: string) => statSync(join(directory, name)).size
  const usedBytes = () => size('log.sqlite') + size('log.sqlite-wal')
  // A disk on which there is nothing else.
  const log = open(directory, { diskReserveBytes: 5 << 20, freeBytes: () => (20 << 20) - usedBytes() })
  t.after(() => log.close())
  log.addConsumer('store')
  const append = () => log.append([{ bytes: Buffer.alloc(50_000), count: 1 }])
  const fill = () => {
    while (true) append()
  }
  for (let round = 0; round < 3; round++) {
    assert.throws(fill, code('diskReserve'))
    assert.ok(usedBytes() > 14 << 20)
    log.commit('store', log.nextPosition - 1)
    while (log.maintain(true));
    assert.ok(usedBytes() < 1 << 20, `${usedBytes()}`)
  }
})

test('a file that is not a log is refused', (t) => {
  const directory = folder(t)
  const db = new DatabaseSync(join(directory, 'log.sqlite'))
  db.exec('PRAGMA user_version = 99')
  db.close()
  assert.throws(() => open(directory), code('corrupt'))
})
