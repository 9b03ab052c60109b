import { testObjectStore } from './conformance.ts';
import { MemoryStore } from './memory-store.ts';

testObjectStore('memory', async () => {
  const store = new MemoryStore();
  return {
    store,
    plant: async (name, content) => {
      store.objects.set(name, { content, modifiedAt: Date.now(), retainUntil: 0 });
    },
    dispose: async () => undefined,
  };
});
