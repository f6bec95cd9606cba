// breaks: browser-safe
import 'node:path'
export const View = () => <p>planted</p>
