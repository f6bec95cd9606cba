import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '')

/**
 * Files of the repository under the folder, tracked or new, but not ignored; relative to the repository. Without Git (a
 * downloaded archive) it cannot tell, and throws.
 */
export function filesUnder(folder = '.'): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', folder],
    {
      cwd: repository,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 ** 2,
    },
  )
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(repository, path)))
}
