import { existsSync } from 'node:fs'
import { run, type Step } from './steps.ts'

const refuseToStart = '/usr/sbin/policy-rc.d'

/** Installs packages of Debian and its kin, without starting the services in them. Answers whether that went well. */
export async function installPackages(packages: readonly string[]): Promise<boolean> {
  if (packages.length === 0) return true
  const remedy = `Install by hand: ${packages.join(', ')}`
  const asRoot = (name: string, ...command: [string, ...string[]]): Step => ({
    name,
    command: process.getuid?.() === 0 ? command : ['sudo', '-n', ...command],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    output: 'whenFailed',
    remedy,
  })
  const apt = (name: string, ...args: string[]) =>
    asRoot(name, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...args)
  // The list may be old and still good enough.
  await run(apt('list of packages', 'update'))
  const install = apt(
    `install ${packages.join(', ')}`,
    'install',
    '-y',
    '--no-install-recommends',
    ...packages,
  )
  if (existsSync(refuseToStart)) return run(install)
  const write = `printf '#!/bin/sh\\nexit 101\\n' > ${refuseToStart} && chmod 755 ${refuseToStart}`
  if (!(await run(asRoot('keep services from being started', 'sh', '-c', write)))) return false
  const installed = await run(install)
  await run(asRoot('let services be started again', 'rm', refuseToStart))
  return installed
}
