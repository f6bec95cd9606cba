import { notifications } from '@mantine/notifications'

/** Tells why something that a person asked for did not happen. */
export function notifyFailure(error: Error): void {
  notifications.show({ color: 'red', title: 'That did not work', message: error.message, autoClose: 8_000 })
}

export function notifyDone(message: string): void {
  notifications.show({ message, autoClose: 3_000 })
}
