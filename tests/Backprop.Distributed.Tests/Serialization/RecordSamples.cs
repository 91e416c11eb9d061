using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Timelines;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Engine.Schedules;
using Backprop.Training;
using Backprop.Training.Curves;
using Backprop.Training.Digests;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;
using Backprop.Training.Stopping;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>Every event and every question and answer, with every field set, by name. The bytes
/// that they have for ever stand in <c>golden.txt</c>.</summary>
internal static class RecordSamples
{
    private static readonly DateTimeOffset s_at = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly RunId s_run = new("xor-1");
    private static readonly SweepId s_sweep = new("halves-1");
    private static readonly NodeId s_server = new("a:1#7");
    private static readonly NodeId s_worker = new("c:1#9");
    private static readonly string s_sha = string.Concat(Enumerable.Repeat("a0b1c2d3", 8));

    public static ImmutableSortedDictionary<string, object> All { get; } = Make()
        .ToImmutableSortedDictionary(NameOf, sample => sample, StringComparer.Ordinal);

    private static RunOutcome Outcome => new(
        new StopDecision(StopKind.TargetLoss, "it is low enough"), -0.0, s_sha);

    private static SweepSummaryView SweepSummary => new(
        s_sweep, "halves", SweepStanding.Completed, "trial 7 is the best", 3, s_at, 2, 3, 9, 5, 7,
        -0.0);

    private static EvaluationMetrics Classes => new()
    {
        Rows = 8,
        Loss = -0.0,
        Classification = new ClassificationMetrics
        {
            Accuracy = 0.875,
            Classes = [new("no", 4, 1, 0.75, 0.857), new("yes", 4, 0.8, 1, 0.889)],
            Confusion = new ConfusionMatrix(["no", "yes"], [3, 1, 0, 4]),
        },
    };

    private static EvaluationMetrics Values => new()
    {
        Rows = 8,
        Loss = 0.5,
        Regression = new RegressionMetrics
        {
            R2 = 0.9,
            MeanAbsoluteError = 1,
            RootMeanSquaredError = 2,
            Targets = [new("strength", 0.9, 1, 2)],
        },
    };

    private static ImmutableArray<LayerNorms> Layers => [new("hidden", 0.5, 4)];

    private static EpochReport Report => new()
    {
        Epoch = 1,
        StepsDone = 20,
        TrainingLoss = 0.25,
        Validation = Classes,
        Layers = Layers,
        LearningRate = 0.125f,
        Metric = 0.5,
        IsBest = true,
        Reason = "the best so far",
    };

    private static TrainingPosition Position => new()
    {
        Step = 25,
        EpochLossSum = -0.0,
        EpochRows = 40,
        RunRows = 200,
        Stopping = new StoppingState(0.5, 1, 0.5, 2),
        Plateau = new PlateauState
        {
            Best = 0.5,
            EvaluationsWithoutImprovement = 1,
            CooldownLeft = 2,
            Reductions = 3,
        },
        Notes = ["a note"],
        Elapsed = TimeSpan.FromSeconds(3),
        Ended = new StopDecision(StopKind.Patience, "it has waited"),
    };

    private static CheckpointManifest Manifest => new(Position, 20, [new(0, 4, s_sha)]);

    private static StoredFile Model => new("model/xor-1", 1_234, s_sha);

    private static TrainingResult Result => new()
    {
        Name = "xor",
        Steps = 25,
        Epochs = 3,
        Stop = new StopDecision(StopKind.EpochsDone, "all 3 epochs are done"),
        History = [],
        BestMetric = 0.5,
        BestEpoch = 1,
        FinalIsBest = true,
        Validation = Classes,
        Test = Values,
        Elapsed = TimeSpan.FromSeconds(4),
        SamplesPerSecond = 50,
        WeightsSha256 = s_sha,
        StateSha256 = s_sha,
        Notes = ["a note"],
    };

    private static RunOutline Outline => new(
        new DatasetOutline(
            "digits.gz", 100, Shape.Of(8, 8), new TargetSchema.Class(["no", "yes"]), s_sha),
        new DatasetOutline(
            "digits.gz", 10, Shape.Of(8, 8), new TargetSchema.Class(["no", "yes"]), s_sha),
        null, []);

    private static RunOutline RegressionOutline => new(
        new DatasetOutline(
            "concrete.csv", 100, Shape.Of(8), new TargetSchema.Values(["strength"]), s_sha),
        null, null, [new TargetScale(2, -0.0)]);

    private static RunOutline LogarithmOutline => RegressionOutline with
    {
        TargetScales = [new TargetScale(2, -0.0) { IsLogarithmic = true }],
    };

    private static RunOutline SequencesOutline => new(
        new DatasetOutline(
            "a.txt", 100, Shape.Of(64),
            new TargetSchema.Class(["a", "\n"]) { Positions = 64 }, s_sha),
        null, null, []);

    private static RunOutline TokensOutline => SequencesOutline with
    {
        Train = SequencesOutline.Train with
        {
            Target = new TargetSchema.Class(["a", "\n"]) { Positions = 64, Tokenizer = "{}" },
        },
    };

    private static RunOutline SeveralOutline => new(
        new DatasetOutline(
            "houses.csv", 100, Shape.Of(3),
            new TargetSchema.Several(
            [
                KeyValuePair.Create<string, TargetSchema>(
                    "price", new TargetSchema.Values(["dollars"])),
                KeyValuePair.Create<string, TargetSchema>(
                    "style", new TargetSchema.Class(["ranch", "split"])),
            ]),
            s_sha),
        null, null, [new TargetScale(2, 1)])
    {
        Inputs = [new NetworkInput("place", [2, 0], Shape.Of(1, 2))],
    };

    /// <summary>Of a network with named outputs, without bytes that it must have for ever.
    /// </summary>
    public static OutlineAnswer Several => new(s_run, s_worker, SeveralOutline, null);

    /// <summary>The same of an evaluation.</summary>
    public static EpochJudged JudgedOutputs => new(
        s_at,
        Report with
        {
            Validation = new EvaluationMetrics
            {
                Rows = 8,
                Loss = 0.75,
                Outputs = [new OutputMetrics("style", Classes), new OutputMetrics("price", Values)],
            },
        },
        Position.Stopping, Position.Plateau, null);

    private static RunSetup Setup => new(s_run, "name = xor", Outline);

    private static RunSummaryView Summary => new(
        s_run, "xor", RunStanding.Training, "training", 3, s_at, 21, 30, 2, 0.5);

    private static StepProgress Progress => new(s_run, new Generation(2), 21, -0.0, 1.5, 0.001);

    private static string NameOf(object sample) => sample switch
    {
        CheckpointRetired { Damage: not null } => "CheckpointRetiredAsDamaged",
        RunRegistered { Trial: not null } => "RunRegisteredAsTrial",
        RunEnded { Outcome: not null } => "RunEndedWithOutcome",
        QueueChanged changed => changed.Happened.GetType().Name,
        OutlineAnswer { Outline: null } => "OutlineRefused",
        OutlineAnswer { Outline.InitialWeightsSha256: not null } => "OutlineWithWeights",
        OutlineAnswer { Outline.Plugins.IsEmpty: false } => "OutlineWithPlugin",
        OutlineAnswer { Outline.TargetScales: [{ IsLogarithmic: true }] } => "OutlineOfLogarithms",
        OutlineAnswer { Outline.TargetScales.IsEmpty: false } => "OutlineOfValues",
        OutlineAnswer { Outline.Train.Target: TargetSchema.Class { Tokenizer: not null } } =>
            "OutlineOfTokens",
        OutlineAnswer { Outline.Train.Target.Width: > 1 } => "OutlineOfSequences",
        ExaminationAnswer { IsDamaged: true } => "ExaminationFoundDamage",
        ExaminationAnswer { Found: null } => "ExaminationFailed",
        CoordinatorRequest or CoordinatorAnswer =>
            $"{sample.GetType().BaseType!.Name}.{sample.GetType().Name}",
        _ => sample.GetType().Name,
    };

    private static IEnumerable<object> Make() =>
        [.. RunEvents(), .. RegistryEvents(), .. Questions(), .. UserMessages()];

    private static IEnumerable<object> RunEvents() =>
    [
        new RunSubmitted(s_at, s_run),
        new CoordinatorTookOver(s_at, new Term(2)),
        new GenerationOpened(s_at, new Generation(2), [s_server], 20),
        new GenerationEnded(s_at, "a server is lost", IsFailure: true),
        new WorkersAssigned(
            s_at, 3, [new AssignedRange(s_worker, new MicroBatchRange(0, 8))], "it begins"),
        new LeaseGranted(s_at, new Lease(30, 1)),
        new HaltOrdered(s_at, HaltCause.Checkpoint),
        new LeaseShortened(s_at, 25),
        new EpochTrained(s_at, 20, -0.0, Layers),
        new EpochJudged(
            s_at, Report, Position.Stopping, Position.Plateau,
            new StopDecision(StopKind.TargetLoss, "it is low enough")),
        new NonFiniteFound(s_at, new NonFiniteStop(24, "the loss", 23)),
        new CheckpointBegun(s_at, Position, Waits: true),
        new CheckpointAborted(s_at, 25, "no database"),
        new CheckpointCommitted(s_at, Manifest),
        new CheckpointRetired(s_at, 10),
        new CheckpointRetired(s_at, 10) { Damage = "a piece is missing" },
        new WorkersDisputed(
            s_at, new Generation(2),
            new Dispute(17, new MicroBatchRange(4, 8), s_worker, s_server, new VersionDigest(9))),
        new WorkerQuarantined(s_at, s_worker, "its bits are its own"),
        new PauseRequested(s_at),
        new RunPaused(s_at, PauseCause.TooFewWorkers, "one is missing"),
        new RunResumed(s_at, "it is back"),
        new RunCompleted(s_at, Result),
        new RunFailed(s_at, "it cannot go on"),
        new RunStopped(s_at, "by the user"),
    ];

    private static IEnumerable<object> RegistryEvents() =>
    [
        new RunRegistered(
            s_at, s_run, new Guid("00112233-4455-6677-8899-aabbccddeeff"), "xor", "name = xor",
            "xor.conf", -1),
        new RunOutlined(s_at, s_run, Outline),
        new ModelStored(s_at, s_run, Model),
        new RunRegistered(
            s_at, s_run, new Guid("00112233-4455-6677-8899-aabbccddeeff"), "xor", "name = xor",
            "xor.conf", -1)
        {
            Trial = new SweepTrialId(s_sweep, 2, 7),
        },
        new RunEnded(s_at, s_run, Summary),
        new RunEnded(s_at, s_run, Summary) { Outcome = Outcome },
        new SweepRegistered(
            s_at, s_sweep, new Guid("00112233-4455-6677-8899-aabbccddeeff"), "halves",
            "name = halves", "name = xor", "halves.conf", 3, 13),
        new SweepStopped(s_at, s_sweep),
        new SweepEnded(s_at, s_sweep, SweepSummary),
        new QueueChanged(new RunQueued(s_at, s_run, 3, 1, 8)),
        new QueueChanged(new QueuedRunHeld(s_at, s_run)),
        new QueueChanged(new QueuedRunReleased(s_at, s_run)),
        new QueueChanged(new RunDequeued(s_at, s_run)),
        new QueueChanged(new WorkersGranted(s_at, s_run, [s_worker], "there is one")),
    ];

    private static IEnumerable<object> Questions() =>
    [
        new SetupRequest(s_run, s_server),
        Setup,
        new ManifestRequest(s_run, 20, s_server),
        new ManifestAnswer(s_run, 20, Manifest.Parts),
        new OutlineRequest(s_run, "name = xor"),
        new OutlineAnswer(s_run, s_worker, Outline, null),
        new OutlineAnswer(s_run, s_worker, RegressionOutline, null),
        new OutlineAnswer(
            s_run, s_worker, RegressionOutline with { InitialWeightsSha256 = s_sha }, null),
        new OutlineAnswer(
            s_run, s_worker,
            RegressionOutline with { Plugins = [new PluginIdentity("acme-swish", s_sha)] }, null),
        new OutlineAnswer(s_run, s_worker, LogarithmOutline, null),
        new OutlineAnswer(s_run, s_worker, SequencesOutline, null),
        new OutlineAnswer(s_run, s_worker, TokensOutline, null),
        new OutlineAnswer(s_run, s_worker, null, "no such file"),
        new ExaminationRequest(Setup, Manifest, UseBest: true),
        new ExaminationAnswer(
            s_run, s_worker,
            new FinalExamination(25, s_sha, s_sha, Classes, Values, ["a note"]), Model, null),
        new ExaminationAnswer(s_run, s_worker, null, null, "no memory"),
        new ExaminationAnswer(s_run, s_worker, null, null, "block 3 is damaged")
        {
            IsDamaged = true,
        },
        Progress,
        new Introduction(
            "cats",
            new NodeDescription(
                s_worker, NodeRoles.Worker, new LinkAddress("c", 2), "1.0", 4, "x86-64"),
            WantsAnswer: true),
        new DigestReport(
            s_run, new Generation(2), s_server, 1, 40,
            [new VersionDigest(1), new VersionDigest(UInt128.MaxValue)]),
        new PushReport(
            s_run, new Generation(2), s_server, 1, 17,
            [new PushedNode(s_worker, new MicroBatchRange(4, 8), new VersionDigest(3))]),
        new CheckReport(
            s_run, new Generation(2), s_worker, 17,
            [
                new CheckedNode(
                    new MicroBatchRange(4, 8), new VersionDigest(9),
                    [new VersionDigest(2), new VersionDigest(3)]),
            ]),
        new DigestsTaken(s_run, new Generation(2), 42),
        new CurveReport(s_run, new Generation(2), Curves),
        new CurvesTaken(s_run, new Generation(2), 1_026),
        new FilePiece("model/xor-1", 1, new byte[] { 1, 2, 3 }),
        new TimelineRequest(s_run, new Generation(2), 0),
        new TimelineAnswer(
            s_run, s_server, new Generation(2), 0, s_at,
            [
                new TimelineSpan(
                    3, SpanKind.Apply, TimeSpan.FromTicks(-70), TimeSpan.FromTicks(-20)),
            ],
            [
                new TreeArrivals(
                    3, [new NodeArrival(s_worker, 4, 4, TimeSpan.FromTicks(-90))],
                    TimeSpan.FromTicks(-80)),
                new TreeArrivals(4, [], null),
            ])
        {
            Traffic = new LinkTraffic(300, 70),
        },
    ];

    private static CurveSegment Curves => new(
        2,
        [
            new CurvePoint(7, 1, 0.5, 0.5, 0.5, 1.5, 0.1f, 0.25f),
            new CurvePoint(1_024, 2, 0.25, 0.5, 0.75, 2, 0.1f, 0.125f),
        ],
        [1, 2, 3, 4]);

    private static RunView View => new()
    {
        Summary = Summary,
        Epochs = 3,
        StepsPerEpoch = 10,
        Parameters = 9,
        Elapsed = TimeSpan.FromSeconds(4),
        Generation = 2,
        Servers = [s_server],
        Workers = [new WorkerShareView(s_worker, new MicroBatchRange(0, 8), 0)],
        MicroBatches = 8,
        Progress = Progress,
        History = [Report],
        Checkpoints = [new CheckpointView(20, s_at, 1_024, 1, true)],
        Happenings = [new HappeningView(0, s_at, "it begins")],
        Result = Result with { History = [Report] },
        Model = Model,
        Notes = [],
    };

    private static IEnumerable<object> UserMessages() =>
    [
        new CoordinatorRequest.Submit(
            new Guid("00112233-4455-6677-8899-aabbccddeeff"), "name = xor", "xor.conf", 3),
        new CoordinatorRequest.ListRuns(),
        new CoordinatorRequest.FollowRun(s_run, new RunCursor(3, 17, 1_024)),
        new CoordinatorRequest.ShowSpecification(s_run),
        new CoordinatorAnswer.Specification("name = xor"),
        new CoordinatorRequest.ShowRun(s_run),
        new CoordinatorRequest.ControlRun(s_run, RunControl.Resume),
        new CoordinatorRequest.ShowCluster(),
        new CoordinatorRequest.ShowReplay(s_run, 21),
        new CoordinatorAnswer.Replay(Setup, Manifest),
        new CoordinatorRequest.LetGo(s_server),
        new CoordinatorRequest.ShowTimeline(s_run),
        new CoordinatorAnswer.Timeline(new TimelineView
        {
            Run = s_run,
            Taken = s_at,
            Links = [new LinkTrafficView(s_worker, 300, 70)],
            FirstStep = 3,
            EndStep = 5,
            MicroBatches = 8,
            Workers =
            [
                new WorkerTimelineView(
                    s_worker, [new SpanView(3, SpanKind.Compute, 0, 0.0012345)]),
            ],
            Servers =
            [
                new ServerTimelineView(
                    s_server, 1, [new SpanView(3, SpanKind.Broadcast, 0.25, 0.5)]),
            ],
            Trees =
            [
                new TreeView(3, 1, [new ArrivalView(s_worker, 4, 4, 0.125)], 0.375),
                new TreeView(4, 1, [], null),
            ],
            Missing = [new NodeId("d:1#3")],
        }),
        new CoordinatorAnswer.Submitted(s_run),
        new CoordinatorAnswer.Runs([Summary]),
        new CoordinatorAnswer.Run(View),
        new CoordinatorAnswer.Followed(
            View with
            {
                History = [],
                Happenings = [new HappeningView(17, s_at, "it begins") { IsRoutine = true }],
                Participants = [new ParticipantView(s_worker, false, true, s_at, s_at)],
                Result = Result with { History = [] },
            },
            new CurvesView(true, 1_025, ["first", "second"], Curves)),
        new CoordinatorRequest.SubmitSweep(
            new Guid("00112233-4455-6677-8899-aabbccddeeff"), "name = halves", "name = xor",
            "halves.conf", 3),
        new CoordinatorRequest.ListSweeps(),
        new CoordinatorRequest.ShowSweep(s_sweep),
        new CoordinatorRequest.StopSweep(s_sweep),
        new CoordinatorAnswer.SubmittedSweep(s_sweep),
        new CoordinatorAnswer.Sweeps([SweepSummary]),
        new CoordinatorAnswer.Sweep(new SweepView(
            SweepSummary, "name = halves", "name = xor", "halves.conf",
            [
                new SweptRunView(2, 7, s_run, RunStanding.Completed, "all 3 epochs", Outcome),
                new SweptRunView(2, 8, s_run, RunStanding.Queued, "it waits", null),
            ])),
        new CoordinatorAnswer.Done(),
        new CoordinatorAnswer.Cluster(new ClusterView(
            "backprop",
            [
                new NodeView(
                    new NodeDescription(
                        s_worker, NodeRoles.Worker | NodeRoles.ParameterServer,
                        new LinkAddress("c", 5), "0.1.0", 2, "AVX-512"),
                    "c:1", "up", [s_run]),
            ],
            s_server, ["the database is away"])),
        new CoordinatorAnswer.Refused(RefusalKind.Conflict, "the run is over"),
    ];
}
