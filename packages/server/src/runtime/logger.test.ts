import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DroverError } from '@drover/protocol'
import { createLogger, type LoggerOptions } from './logger.ts'

function logged(options: Partial<LoggerOptions>, write: (log: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = []
  write(
    createLogger({
      level: 'info',
      format: 'json',
      stream: { write: (line) => lines.push(line) },
      ...options,
    }),
  )
  return lines
}

test('a line is one JSON object with time, level, part and message', () => {
  const [line, ...others] = logged({}, (log) =>
    log.child({ part: 'gateway' }).info({ port: 1883 }, 'listening'),
  )
  const { time, ...rest } = JSON.parse(line!)
  assert.deepEqual(rest, { level: 'info', part: 'gateway', port: 1883, msg: 'listening' })
  assert.equal(new Date(time).toISOString(), time)
  assert.equal(others.length, 0)
})

test('secrets do not reach the log, wherever they stand in what is logged', () => {
  const secret = 'dt_0123456789abcdef_secret'
  const text = logged({}, (log) => {
    log.info({ token: secret, headers: { authorization: secret, cookie: secret } }, 'one')
    log.info(
      { request: { headers: { authorization: secret, 'set-cookie': secret } }, password: secret },
      'two',
    )
  }).join('')
  assert.ok(!text.includes(secret), text)
  assert.match(text, /\[secret\]/)
})

test('an error is logged with its code, its cause and where it came from', () => {
  const error = new DroverError('storeUnavailable', { reason: 'closed' }, new Error('the file is gone'))
  const [line] = logged({}, (log) => log.error({ error }, 'write failed'))
  const { error: found } = JSON.parse(line!)
  assert.equal(found.code, 'storeUnavailable')
  assert.match(found.stack, /logger\.test\.ts/)
  assert.match(found.stack, /the file is gone/)
})

test('pretty lines show the part before the message', () => {
  const [line] = logged({ format: 'pretty' }, (log) => log.child({ part: 'gateway' }).info('listening'))
  assert.match(line!, /INFO.*gateway: listening\n$/)
})

test('what is below the level is not logged', () => {
  assert.deepEqual(
    logged({ level: 'warn' }, (log) => log.info('quiet')),
    [],
  )
  assert.deepEqual(
    logged({ level: 'silent' }, (log) => log.error('quiet')),
    [],
  )
})
