import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { TestServer } from './server.ts'

/** The script behind `drover`. */
export const command = fileURLToPath(new URL('../../packages/cli/bin/drover.js', import.meta.url))
const outputBytesMax = 64 * 1024 * 1024

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `drover ARGS` in a process of its own, against the server if one is given. */
export function drover(args: readonly string[], server?: TestServer): Promise<CommandResult> {
  const access = server ? ['--url', server.http, '--key', server.adminKey] : []
  return new Promise((resolve) => {
    const options = { maxBuffer: outputBytesMax, env: { ...process.env, NODE_TEST_CONTEXT: undefined } }
    execFile(process.execPath, [command, ...args, ...access], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}

/** The same with `--json`: what it printed. Throws when it failed. */
export async function droverJson<T>(args: readonly string[], server: TestServer): Promise<T> {
  const { code, stdout, stderr } = await drover([...args, '--json'], server)
  if (code !== 0) throw new Error(`drover ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}
