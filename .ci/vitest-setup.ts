import fc from 'fast-check';

// A test says the same each time it runs. To look further than this seed does: FC_SEED=$RANDOM npm test
fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 9112) });
