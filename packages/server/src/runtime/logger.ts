import { type DestinationStream, destination, type Logger as PinoLogger, pino, stdSerializers } from 'pino'
import { prettyFactory } from 'pino-pretty'

/** The process log. `child({ part: 'gateway' })` marks the lines of one part. */
export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly format: 'auto' | 'pretty' | 'json'
  /** Standard output by default. */
  readonly stream?: DestinationStream
}

/** Fields that never reach the log, at any of the first three levels of what is logged. */
const secretFields = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'adminKey',
  'keyPem',
  'set-cookie',
]
const redacted = secretFields.flatMap((field) => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`])

export function createLogger({ level, format, stream }: LoggerOptions): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && process.stdout.isTTY)
  // Lines are written at once: what is logged before a crash is what tells of it.
  const target = stream ?? destination({ fd: 1, sync: true })
  const options = {
    level,
    redact: { paths: redacted, censor: '[secret]' },
    serializers: { error: stdSerializers.err },
    errorKey: 'error',
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pretty ? pino(options, prettyStream(target)) : pino(options, target)
}

function prettyStream(target: DestinationStream): DestinationStream {
  const format = prettyFactory({
    colorize: process.stdout.isTTY && process.env.NO_COLOR === undefined,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'part',
    messageFormat: (line, message) => (line.part ? `${line.part}: ${line[message]}` : `${line[message]}`),
    errorLikeObjectKeys: ['error', 'err'],
  })
  return { write: (line) => target.write(format(line)) }
}
