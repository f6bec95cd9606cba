// breaks: browser-safe
import 'node:net'
