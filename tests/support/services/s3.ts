import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installed } from './installed.ts'
import { freePort, privateDirectory, type Service, startService } from './service.ts'

const execute = promisify(execFile)
const version = 'v1.8.0'
/** It is built from its sources the first time. */
const buildTimeoutMs = 900_000

/** As the client of S3 takes them from the environment. */
export const s3Credentials = { AWS_ACCESS_KEY_ID: 'drover', AWS_SECRET_ACCESS_KEY: 'drover-test' } as const
const bucket = 'blobs'

/** Versity S3 Gateway over a folder, which checks signatures and checksums, with one empty bucket. Needs Go once. */
export async function startS3(): Promise<Service> {
  const program = join(await installed(`versitygw-${version}`, build), 'versitygw')
  const directory = await privateDirectory('s3')
  // What belongs to an object is in files beside it: not every file system has extended attributes.
  const [data, metadata] = [join(directory, 'data'), join(directory, 'metadata')]
  await mkdir(join(data, bucket), { recursive: true })
  await mkdir(metadata)
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  return startService({
    name: 'Versity S3 Gateway',
    url: `s3://${bucket}?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1&pathStyle=true`,
    directory,
    command: [
      program,
      '--port',
      `127.0.0.1:${port}`,
      '--health',
      '/health',
      'posix',
      '--sidecar',
      metadata,
      data,
    ],
    env: {
      ROOT_ACCESS_KEY: s3Credentials.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_KEY: s3Credentials.AWS_SECRET_ACCESS_KEY,
    },
    async answers() {
      const { ok, status } = await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(5_000) })
      if (!ok) throw new Error(`It answers ${status}.`)
    },
  })
}

async function build(directory: string): Promise<void> {
  const source = `github.com/versity/versitygw/cmd/versitygw@${version}`
  try {
    await execute('go', ['install', '-trimpath', '-ldflags=-s -w', source], {
      env: { ...process.env, GOBIN: directory },
      timeout: buildTimeoutMs,
    })
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new Error(`The S3 server of the tests could not be built by Go: ${stderr || message}`, {
      cause: error,
    })
  }
}
