import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installed } from './installed.ts'

const execute = promisify(execFile)
const installTimeoutMs = 300_000

export interface NpmPackages {
  /** Package and exact version. */
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
}

/** A folder with these packages and files, made once: what a few tests need does not belong to the workspace. */
export async function npmPackages(
  name: string,
  packages: NpmPackages,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const content = createHash('sha256').update(JSON.stringify({ packages, files })).digest('hex')
  return installed(`${name}-${content.slice(0, 12)}`, async (directory) => {
    const own = { 'package.json': JSON.stringify({ private: true, type: 'module', ...packages }), ...files }
    for (const [file, text] of Object.entries(own)) await writeFile(join(directory, file), text)
    const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock']
    await execute('npm', ['install', ...quiet], { cwd: directory, timeout: installTimeoutMs })
  })
}
