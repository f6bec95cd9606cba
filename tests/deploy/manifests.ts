import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { repository } from '../tidiness/files.ts'

export const folder = join(repository, 'deploy/kubernetes')

/** One object of Kubernetes, and the file in which it stands. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly file: string
  readonly [field: string]: unknown
}

/** All of deploy/kubernetes but the kustomization, which is no object of Kubernetes. */
export function manifests(): Manifest[] {
  return readdirSync(folder)
    .filter((file) => file !== 'kustomization.yaml')
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => ({
        ...document.toJS(),
        file,
      })),
    )
}
