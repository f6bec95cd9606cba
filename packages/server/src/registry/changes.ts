import type { RegistryTables } from './registry.ts'

/**
 * What has changed, for those who keep something of it. It is told after it has been committed, and may be told twice;
 * the registry knows how it is now.
 */
export type RegistryChange =
  /** Other devices may be found now. */
  | { readonly kind: 'devicesAdded' }
  /** It has another profile, state, name … or is deleted. */
  | { readonly kind: 'deviceChanged'; readonly deviceUid: number }
  | { readonly kind: 'profileChanged'; readonly tenant: number; readonly profile: string }
  | { readonly kind: 'tokenRevoked'; readonly keyId: string }
  /** Other processes may have changed anything: for a while they could not be heard. */
  | { readonly kind: 'missed' }

export type ChangeListener = (change: RegistryChange) => void

/** Those who want to hear of changes, in the order in which they came. */
export class ChangeListeners {
  readonly #listeners = new Set<ChangeListener>()

  /** Answers how to stop listening. */
  add(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(changes: readonly RegistryChange[]): void {
    for (const change of changes) for (const listener of this.#listeners) listener(change)
  }
}

/** The same tables; `note` is called with each change that is made by them. */
export function noticingChanges(
  tables: RegistryTables,
  note: (change: RegistryChange) => void,
): RegistryTables {
  const { devices, profiles, tokens } = tables
  const noting =
    <A extends readonly unknown[], T>(
      method: (...args: A) => Promise<T>,
      changeOf: (...args: A) => RegistryChange,
    ) =>
    (...args: A) => {
      note(changeOf(...args))
      return method(...args)
    }
  const profileChanged = (tenant: number, profile: string) =>
    ({ kind: 'profileChanged', tenant, profile }) as const
  return {
    ...tables,
    devices: {
      ...devices,
      insert: noting(devices.insert, () => ({ kind: 'devicesAdded' })),
      update: noting(devices.update, ({ uid }) => ({ kind: 'deviceChanged', deviceUid: uid })),
      delete: noting(devices.delete, (deviceUid) => ({ kind: 'deviceChanged', deviceUid })),
    },
    profiles: {
      ...profiles,
      insert: noting(profiles.insert, profileChanged),
      update: noting(profiles.update, profileChanged),
      delete: noting(profiles.delete, profileChanged),
    },
    tokens: {
      ...tokens,
      revoke: noting(tokens.revoke, (_, keyId) => ({ kind: 'tokenRevoked', keyId })),
    },
  }
}
