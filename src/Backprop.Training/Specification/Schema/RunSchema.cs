using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Training.Interchange;
using Backprop.Training.Protocol;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>The whole specification of a run.</summary>
internal static class RunSchema
{
    private const int MaxSeeds = 1000;
    private const int MaxKept = 1000;

    private static readonly Key<string> Name = Key.Required(
        "name", Kinds.Name, "what the run is called");

    private static readonly Key<ulong> Seed = Key.Optional(
        "seed", new SeedKind(), 0UL, "0", "all randomness comes from it");

    private static readonly Key<DataSpecification> Data = Key.Required(
        "data", DataSchema.Data, "what is learned from");

    private static readonly Key<ImmutableArray<Placed<LayerDefinition>>> Model = Key.Required(
        "model", new ListKind<Placed<LayerDefinition>>(
            new PlacedKind<LayerDefinition>(LayerSchema.Layer), "an array of layers"),
        "the layers, from the input on");

    private static readonly Key<string> Safetensors = Key.Required(
        "safetensors", Kinds.File,
        "tensors by the names and layouts that `names` says; a file, or the index of several, "
        + "`model.safetensors.index.json`");

    private static readonly Key<ImmutableArray<string>> Except = Key.Optional(
        "except", new ListKind<string>(Kinds.Text, "an array of layers' names"), [], "none",
        "layers that begin with their initializer all the same, such as a new head; a block stands "
        + "for the layers in it");

    private static readonly Key<TensorNames> Names = Key.Optional(
        "names", new WordKind<TensorNames>(
            ("pytorch", TensorNames.PyTorch), ("hugging-face", TensorNames.HuggingFace)),
        TensorNames.PyTorch, "pytorch",
        "`pytorch`: the layers' names, with those of PyTorch's modules behind them; "
        + "`hugging-face`: those of `LlamaForCausalLM` or `GPT2LMHeadModel`, of a model that is "
        + "one of them layer by layer");

    private static readonly Key<Placed<InitialWeightsSpecification>?> InitialWeights =
        Key.Optional<Placed<InitialWeightsSpecification>?>(
            "initial-weights", new PlacedKind<InitialWeightsSpecification>(
                new Section<InitialWeightsSpecification>(
                    "initial-weights", "Weights of another network that the run begins with; see "
                    + "[interchange](interchange.md). With `trainable = false` a layer keeps them.",
                    [Safetensors, Names, Except],
                    k => new InitialWeightsSpecification(
                        k.Get(Safetensors), k.Get(Except), k.Get(Names)),
                    Safetensors)).As(p => (Placed<InitialWeightsSpecification>?)p),
            null, "the layers' initializers", "weights of another network to begin with");

    private static readonly Key<Placed<ImmutableArray<OutputSpecification>>> Loss = Key.Required(
        "loss", new PlacedKind<ImmutableArray<OutputSpecification>>(PortSchema.RunLoss),
        "what is made small");

    private static readonly Key<OptimizerSpecification> Optimizer = Key.Required(
        "optimizer", OptimizerSchema.Optimizer, "how gradients change the weights");

    private static readonly Key<LearningRateSchedule> Schedule = Key.Optional(
        "schedule", ScheduleSchema.Schedule, new ConstantSchedule(), "constant",
        "how the learning rate changes over the run");

    private static readonly Key<Penalty> Penalty = Key.Optional(
        "penalty", OptimizerSchema.Penalty, Engine.Optimizers.Penalty.None, "none",
        "what large weights cost");

    private static readonly Key<Clipping> Clip = Key.Optional(
        "clip", OptimizerSchema.Clipping, Clipping.None, "none", "limits on the gradient");

    private static readonly Key<Averaging?> Averaging = Key.Optional<Averaging?>(
        "averaging", OptimizerSchema.Averaging, null, "none",
        "an average of the weights over the run, which is then its result: what is evaluated at "
        + "the end, kept of the best epoch, stored as the model and hashed as `weights-sha256`. "
        + "Training goes on with the weights themselves; every epoch is evaluated with these, but "
        + "for `evaluate = average`, and patience and target look at that. The running statistics "
        + "of batch normalization are averaged as weights are, and not computed anew for the "
        + "average");

    private static readonly Key<BackwardRule> Backward = Key.Optional(
        "backward",
        new WordKind<BackwardRule>(
            ("chain-rule", BackwardRule.ChainRule),
            ("error-splitting", BackwardRule.ErrorSplitting)),
        BackwardRule.ChainRule, "chain-rule",
        "how errors are passed back; `error-splitting` leaves the activations' derivatives out");

    private static readonly Key<long> BatchSize = Key.Optional(
        "batch-size", Kinds.Count, 32L, "32", "samples of a step");

    private static readonly Key<long?> MicroBatches = Key.Optional<long?>(
        "micro-batches", new IntegerKind(1, GradientTree.MaxMicroBatches).As(n => (long?)n), null,
        "8, or batch-size where that is less",
        "pieces of a step: the unit of summation and of distribution; part of the result");

    private static readonly Key<long> Epochs = Key.Required(
        "epochs", Kinds.Count, "passes over the training samples");

    private static readonly Key<JudgedBy?> Metric = Key.Optional<JudgedBy?>(
        "metric", new MetricKind(), null, "validation-loss, or training-loss without validation",
        "what patience, target and the best weights look at");

    private static readonly Key<long?> Patience = Key.Optional<long?>(
        "patience", Kinds.Count.As(n => (long?)n), null, "none",
        "epochs without improvement after which the run ends");

    private static readonly Key<double> MinimumImprovement = Key.Optional(
        "minimum-improvement", Kinds.NotNegative, 0.0, "0",
        "how much better counts as an improvement");

    private static readonly Key<double?> TargetLoss = Key.Optional<double?>(
        "target-loss", Kinds.NotNegative.As(n => (double?)n), null, "none",
        "the run ends once an epoch's training loss is at or below this");

    private static readonly Key<double?> TargetMetric = Key.Optional<double?>(
        "target-metric", Kinds.Number.As(n => (double?)n), null, "none",
        "the run ends once the metric is at least as good as this");

    private static readonly Key<long?> MaxSteps = Key.Optional<long?>(
        "max-steps", Kinds.LongCount.As(n => (long?)n), null, "none",
        "the run ends after so many steps");

    private static readonly Key<TimeSpan?> MaxTime = Key.Optional<TimeSpan?>(
        "max-time", Kinds.Duration.As(t => (TimeSpan?)t), null, "none",
        "the run ends after so much time; the one rule that does not reproduce");

    private static readonly Section<StopOptions> StopSection = new(
        "stop", "When the run ends before its last epoch.",
        [Metric, Patience, MinimumImprovement, TargetLoss, TargetMetric, MaxSteps, MaxTime],
        BindStop);

    private static readonly Key<Placed<StopOptions>?> Stop =
        Key.Optional<Placed<StopOptions>?>(
            "stop", new PlacedKind<StopOptions>(StopSection).As(p => (Placed<StopOptions>?)p), null,
            "none", "when the run ends before its last epoch");

    private static readonly Key<long> Seeds = Key.Required(
        "seeds", new IntegerKind(2, MaxSeeds), "how many trainings: with the seed and those after");

    private static readonly Key<EnsembleSpecification?> Ensemble =
        Key.Optional<EnsembleSpecification?>(
            "ensemble", new Section<EnsembleSpecification?>(
                "ensemble", "Several trainings, judged by their mean output.", [Seeds],
                k => new EnsembleSpecification(k.GetInt(Seeds))),
            null, "none", "several trainings instead of one");

    private static readonly Key<long?> EveryEpochs = Key.Optional<long?>(
        "every-epochs", Kinds.Count.As(n => (long?)n), null,
        "1, where no other key says when", "epochs between two checkpoints");

    private static readonly Key<long?> EverySteps = Key.Optional<long?>(
        "every-steps", Kinds.LongCount.As(n => (long?)n), null, "none",
        "steps between two checkpoints");

    private static readonly Key<TimeSpan?> Every = Key.Optional<TimeSpan?>(
        "every", Kinds.Duration.As(t => (TimeSpan?)t), null, "none",
        "time between two checkpoints");

    private static readonly Key<long> Keep = Key.Optional(
        "keep", new IntegerKind(2, MaxKept), 2L, "2",
        "how many of the newest are kept: one may be damaged");

    private static readonly Key<CheckpointSpecification> Checkpoint = Key.Optional(
        "checkpoint", new Section<CheckpointSpecification>(
            "checkpoint", "When checkpoints are written; one is always written at the end. The "
            + "result does not depend on it.", [EveryEpochs, EverySteps, Every, Keep],
            BindCheckpoint),
        CheckpointSpecification.Default, "after every epoch", "when checkpoints are written");

    private static readonly Key<long> MinWorkers = Key.Optional(
        "min", WorkerCount, (long)WorkersSpecification.Default.Min, "1",
        "workers that the run waits for; with fewer it pauses by itself");

    private static readonly Key<long> MaxWorkers = Key.Optional(
        "max", WorkerCount, (long)WorkersSpecification.Default.Max,
        AssignmentPlanner.MaxWorkers.ToString(CultureInfo.InvariantCulture),
        "workers that the run takes; others are left to the runs behind it");

    private static readonly Key<WorkersSpecification> Workers = Key.Optional(
        "workers", new Section<WorkersSpecification>(
            "workers", "How many workers of a cluster share the run; one process trains without "
            + "any. The result does not depend on it.", [MinWorkers, MaxWorkers], BindWorkers),
        WorkersSpecification.Default, "any number", "how many workers of a cluster share the run");

    private static readonly Key<bool> Digests = Key.Optional(
        "digests", Kinds.Boolean, true, "true, but false where gradients travel rounded",
        "whether a digest of the weights is kept for every step, so that it can be told later "
        + "whether a step made the same weights; the result does not depend on it");

    private static readonly Key<ElementEncoding> Gradients = Key.Optional(
        "gradients",
        new WordKind<ElementEncoding>(
            ("fp32", ElementEncoding.Fp32), ("bf16", ElementEncoding.Bf16)),
        ElementEncoding.Fp32, "fp32",
        "how workers send gradients to parameter servers; `bf16` halves the bytes and is inexact");

    private static readonly Key<TransportSpecification> Transport = Key.Optional(
        "transport", new Section<TransportSpecification>(
            "transport", "How tensors travel between the nodes of a cluster. With `fp32` the "
            + "result does not depend on the cluster. With `bf16` it does: each gradient that a "
            + "worker sends is rounded to 8 bits of significand first, so that weights depend on "
            + "which worker had which micro-batches, and differ from those of one process, which "
            + "rounds nothing. Weights, losses and running statistics travel as they are.",
            [Gradients], keys => new TransportSpecification(keys.Get(Gradients))),
        TransportSpecification.Default, "exact", "how tensors travel between nodes of a cluster");

    private static readonly Key<double> Verify = Key.Optional(
        "verify", new ShareKind(), 0.0, "0%",
        "the share of micro-batches that two workers of a cluster compute: one whose bits differ "
        + "is found and quarantined; the result does not depend on it");

    public static Section<RunSpecification> Run { get; } = new(
        "run", "A whole run.",
        [
            Name, Seed, Data, PortSchema.Inputs, Model, InitialWeights, Loss, Optimizer, Schedule,
            Penalty, Clip, Averaging, Backward, BatchSize, MicroBatches, Epochs, Stop, Ensemble,
            Checkpoint, Workers, Digests, Transport, Verify,
        ],
        Bind);

    private static IntegerKind WorkerCount => new(1, AssignmentPlanner.MaxWorkers);

    private static RunSpecification Bind(KeyValues keys)
    {
        DataSpecification data = keys.Get(Data);
        int batchSize = keys.GetInt(BatchSize);
        if (keys.Get(MicroBatches) > batchSize)
        {
            keys.Refuse(
                MicroBatches, $"{keys.Get(MicroBatches)} pieces cannot be cut from a batch-size of "
                + $"{batchSize}; at most {batchSize} can");
        }

        return new RunSpecification
        {
            Name = keys.Get(Name),
            Seed = keys.Get(Seed),
            Data = data,
            Inputs = keys.Get(PortSchema.Inputs),
            Layers = keys.Get(Model),
            InitialWeights = keys.Get(InitialWeights),
            Outputs = BindOutputs(keys),
            Optimizer = keys.Get(Optimizer).Optimizer,
            Groups = keys.Get(Optimizer).Groups,
            Averaging = keys.Get(Averaging),
            Schedule = keys.Get(Schedule),
            Penalty = keys.Get(Penalty),
            Clipping = keys.Get(Clip),
            Backward = keys.Get(Backward),
            BatchSize = batchSize,
            MicroBatches = (int)(keys.Get(MicroBatches) ?? Math.Min(8, batchSize)),
            Epochs = keys.GetInt(Epochs),
            Stop = BindStopRules(keys, data),
            Ensemble = keys.Get(Ensemble),
            Checkpoint = keys.Get(Checkpoint),
            Workers = keys.Get(Workers),
            Digests = BindDigests(keys),
            Transport = keys.Get(Transport),
            VerifyShare = BindVerify(keys),
            CanonicalText = "",
            ResolvedText = "",
        };
    }

    // Mistakes of the only output are told at the loss as a whole.
    private static ImmutableArray<OutputSpecification> BindOutputs(KeyValues keys)
    {
        (ImmutableArray<OutputSpecification> outputs, SpecificationPlace place) = keys.Get(Loss);
        return outputs is [{ Name: "" } only]
            ? [only with { Loss = only.Loss with { Place = place } }]
            : outputs;
    }

    private static Placed<StopRules> BindStopRules(KeyValues keys, DataSpecification data)
    {
        bool hasValidation =
            data.Validation is not null || data.Preparation.HoldsOut;
        Placed<StopOptions>? given = keys.Get(Stop);
        StopOptions options = given?.Value ?? new StopOptions(null, new StopRules(default));
        StopMetric usual =
            hasValidation ? StopMetric.ValidationLoss : StopMetric.TrainingLoss;
        StopMetric metric = options.Metric?.Metric ?? usual;
        string? output = options.Metric?.Output;
        if (output is not null && keys.Get(Loss).Value.All(one => one.Name != output))
        {
            keys.Refuse(
                Stop, $"'metric' is of the output '{output}', and the loss is not of an output of "
                + "that name: "
                + string.Join(", ", keys.Get(Loss).Value.Select(one => $"'{one.Name}'")));
        }

        if (metric != StopMetric.TrainingLoss && !hasValidation)
        {
            keys.Refuse(
                Stop, "'metric' looks at validation samples, but data.validation is absent; "
                + "add it, or let the metric be training-loss");
        }

        return new Placed<StopRules>(
            options.Rules with { Metric = metric, Output = output },
            given?.Place ?? keys.PlaceOf(Stop));
    }

    private static StopOptions BindStop(KeyValues keys)
    {
        if (keys.Has(MinimumImprovement) && !keys.Has(Patience))
        {
            keys.Refuse(MinimumImprovement, "means nothing without 'patience'");
        }

        return new StopOptions(keys.Get(Metric), new StopRules(
            default, (int?)keys.Get(Patience), keys.Get(MinimumImprovement), keys.Get(TargetLoss),
            keys.Get(TargetMetric), keys.Get(MaxSteps), keys.Get(MaxTime)));
    }

    private static CheckpointSpecification BindCheckpoint(KeyValues keys)
    {
        bool isSaid = keys.Has(EveryEpochs) || keys.Has(EverySteps) || keys.Has(Every);
        return new CheckpointSpecification(
            isSaid ? (int?)keys.Get(EveryEpochs) : 1, keys.Get(EverySteps), keys.Get(Every),
            keys.GetInt(Keep));
    }

    // What is computed again there is held against what was computed before.
    private static bool BindDigests(KeyValues keys)
    {
        bool isExact = keys.Get(Transport).Gradients == ElementEncoding.Fp32;
        if (!isExact && keys.Has(Digests) && keys.Get(Digests))
        {
            keys.Refuse(
                Digests, "with transport.gradients = bf16 a step that is computed again may come "
                + "to other weights, so that a digest says nothing; leave it out");
        }

        return isExact && keys.Get(Digests);
    }

    // Two workers are compared by the bits of their gradients, as these were pushed.
    private static double BindVerify(KeyValues keys)
    {
        double share = keys.Get(Verify);
        if (share > 0 && keys.Get(Transport).Gradients != ElementEncoding.Fp32)
        {
            keys.Refuse(
                Verify, "with transport.gradients = bf16 gradients are rounded on their way, and"
                + " their bits are not those that another worker computes; leave it out");
        }

        return share;
    }

    private static WorkersSpecification BindWorkers(KeyValues keys)
    {
        int min = keys.GetInt(MinWorkers), max = keys.GetInt(MaxWorkers);
        if (min > max)
        {
            keys.Refuse(
                keys.Has(MaxWorkers) ? MaxWorkers : MinWorkers,
                $"a run cannot wait for {min} workers and take at most {max}; 'max' must be at "
                + "least 'min'");
        }

        return new WorkersSpecification(min, max);
    }

    /// <summary>The section as written: the metric's default depends on the data.</summary>
    private sealed record StopOptions(JudgedBy? Metric, StopRules Rules);

    /// <param name="Output">The output that the metric is of; null: the whole.</param>
    /// <param name="Metric">The metric.</param>
    private sealed record JudgedBy(string? Output, StopMetric Metric);

    /// <summary>A metric of the whole, or one of an output: <c>digit.accuracy</c>.</summary>
    private sealed class MetricKind : ScalarKind<JudgedBy?>
    {
        private static readonly (string Word, StopMetric Metric)[] OfTheWhole =
        [
            ("training-loss", StopMetric.TrainingLoss),
            ("validation-loss", StopMetric.ValidationLoss),
            ("validation-accuracy", StopMetric.ValidationAccuracy),
            ("validation-r2", StopMetric.ValidationR2),
        ];

        private static readonly (string Word, StopMetric Metric)[] OfAnOutput =
        [
            ("loss", StopMetric.ValidationLoss),
            ("accuracy", StopMetric.ValidationAccuracy),
            ("r2", StopMetric.ValidationR2),
        ];

        public override string Description =>
            $"one of {Words(OfTheWhole)}; of the named output `digit`, on the validation samples, "
            + Words([.. OfAnOutput.Select(one => ($"`digit.{one.Word}`", one.Metric))]);

        protected override bool TryParse(HoconScalar scalar, ValueCursor at, out JudgedBy? value)
        {
            int dot = scalar.Text.LastIndexOf('.');
            string word = scalar.Text[(dot + 1)..];
            (string Word, StopMetric Metric)[] words = dot < 0 ? OfTheWhole : OfAnOutput;
            int found = Array.FindIndex(words, one => one.Word == word);
            value = found < 0
                ? null
                : new JudgedBy(dot < 0 ? null : scalar.Text[..dot], words[found].Metric);
            return found >= 0 || at.Fail(
                $"unknown word {scalar.Describe()}; "
                + Spelling.Suggest(word, words.Select(one => one.Word)));
        }

        private static string Words((string Word, StopMetric Metric)[] words) =>
            string.Join(", ", words.Select(one => one.Word));
    }
}
