import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { main } from '../../packages/cli/src/main.ts'
import type { TestServer } from './server.ts'

/** The script behind `drover`, for tests that need it in a process of its own. */
export const command = fileURLToPath(new URL('../../packages/cli/bin/drover.js', import.meta.url))

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `drover ARGS` in this process, which is a second faster, against the server if one is given. */
export async function drover(args: readonly string[], server?: TestServer): Promise<CommandResult> {
  const access = server ? ['--url', server.http, '--key', server.adminKey] : []
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = Promise.all([text(stdout), text(stderr)])
  const code = await main([...args, ...access], {}, { env: {}, stdout, stderr })
  stdout.end()
  stderr.end()
  const [output, errors] = await printed
  return { code, stdout: output, stderr: errors }
}

/** The same with `--json`: what it printed. Throws when it failed. */
export async function droverJson<T>(args: readonly string[], server: TestServer): Promise<T> {
  const { code, stdout, stderr } = await drover([...args, '--json'], server)
  if (code !== 0) throw new Error(`drover ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}
