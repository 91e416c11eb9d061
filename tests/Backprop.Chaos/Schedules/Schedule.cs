using System.Collections.Immutable;

namespace Backprop.Chaos.Schedules;

/// <summary>A cluster, and what happens to it: a function of a seed and of a size, and of nothing
/// else.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Servers">Parameter servers.</param>
/// <param name="Workers">Workers.</param>
/// <param name="Widths">What each node's processor is held to, by number.</param>
/// <param name="Faults">In order.</param>
internal sealed record Schedule(
    int Seed, int Servers, int Workers, ImmutableArray<string> Widths,
    ImmutableArray<PlannedFault> Faults)
{
    private static readonly int[] s_workers = [1, 2, 3, 5, 7, 8];
    private static readonly int[] s_fewWorkers = [1, 2, 2, 3];

    // Variables of the runtime that hold a process to narrower vectors.
    private static readonly string[] s_widths =
        ["", "", "DOTNET_EnableAVX512", "DOTNET_EnableAVX2", "DOTNET_EnableHWIntrinsic"];

    /// <summary>What a fault may be.</summary>
    public enum Kind
    {
        KillWorker,
        StopWorker,
        LeaveWorker,
        KillServer,
        StopServer,
        LeaveServer,
        KillCoordinator,
        StopCoordinator,
        KillAll,
        Cut,
        Black,
        Isolate,
        Slow,
    }

    /// <summary>The schedule of a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="faults">Faults in it.</param>
    /// <param name="isSmall">Whether the cluster is to be small: every process takes seconds of
    /// computing to start.</param>
    /// <param name="only">Nothing but this happens; null: everything does.</param>
    public static Schedule Of(int seed, int faults, bool isSmall, Kind? only = null)
    {
        var random = new Random(seed);
        int servers = 1 + random.Next(isSmall ? 2 : 3);
        int workers = Pick(random, isSmall ? s_fewWorkers : s_workers);
        ImmutableArray<string> widths =
        [
            .. Enumerable.Range(0, 1 + servers + workers).Select(_ => Pick(random, s_widths)),
        ];
        return new Schedule(
            seed, servers, workers, widths,
            [
                .. Enumerable.Range(0, faults).Select(_ => new PlannedFault(
                    random.Next(20, 90),
                    TimeSpan.FromMilliseconds(
                        isSmall ? random.Next(1_000, 4_000) : random.Next(1_000, 15_000)),
                    Next(random, servers, workers, only))),
            ]);
    }

    /// <summary>A cluster to which nothing is planned to happen.</summary>
    public static Schedule Calm(int servers, int workers) => new(
        0, servers, workers, [.. Enumerable.Repeat("", 1 + servers + workers)], []);

    /// <summary>What a node does.</summary>
    public NodePart PartOf(int node) => node == 0 ? NodePart.Coordinator
        : node <= Servers ? NodePart.Server
        : NodePart.Worker;

    /// <summary>What it is, for people, a line each.</summary>
    public IEnumerable<string> Describe()
    {
        yield return $"seed {Seed}: {Servers} servers, {Workers} workers";
        for (int node = 0; node < Widths.Length; node++)
        {
            yield return $"  node {node} {PartOf(node)}"
                + (Widths[node].Length > 0 ? $" with {Widths[node]}=0" : "");
        }

        foreach (PlannedFault fault in Faults)
        {
            yield return $"  after {fault.AfterSteps} steps or {fault.AtMost}: {fault.What}";
        }
    }

    private static Fault Next(Random random, int servers, int workers, Kind? only)
    {
        int server = 1 + random.Next(servers);
        int worker = 1 + servers + random.Next(workers);
        int any = random.Next(1 + servers + workers);
        int other = (any + 1 + random.Next(servers + workers)) % (1 + servers + workers);
        TimeSpan soon = TimeSpan.FromMilliseconds(random.Next(100, 2_000));
        TimeSpan away = TimeSpan.FromMilliseconds(random.Next(300, 4_000));
        return (only ?? PickKind(random)) switch
        {
            Kind.KillWorker => new Fault.Kill(worker, soon),
            Kind.StopWorker => new Fault.Stop(worker, away),
            Kind.LeaveWorker => new Fault.Leave(worker, soon),
            Kind.KillServer => new Fault.Kill(server, soon),
            Kind.StopServer => new Fault.Stop(server, away),
            Kind.LeaveServer => new Fault.Leave(server, soon),
            Kind.KillCoordinator => new Fault.Kill(0, soon),
            Kind.StopCoordinator => new Fault.Stop(0, away),
            Kind.KillAll => new Fault.KillAll(),
            Kind.Cut => new Fault.Cut(any, other, away),
            Kind.Black => new Fault.Black(any, other, away),
            // Long enough, now and then, that the others give it up.
            Kind.Isolate => new Fault.Isolate(any, (1 + random.Next(4)) * away),
            _ => new Fault.Slow(any, away),
        };
    }

    // What is common in life is common here, and what takes everything down is rare.
    private static Kind PickKind(Random random) => random.Next(100) switch
    {
        < 18 => Kind.KillWorker,
        < 28 => Kind.StopWorker,
        < 36 => Kind.LeaveWorker,
        < 46 => Kind.KillServer,
        < 52 => Kind.StopServer,
        < 58 => Kind.LeaveServer,
        < 68 => Kind.KillCoordinator,
        < 73 => Kind.StopCoordinator,
        < 76 => Kind.KillAll,
        < 84 => Kind.Cut,
        < 89 => Kind.Black,
        < 94 => Kind.Isolate,
        _ => Kind.Slow,
    };

    private static T Pick<T>(Random random, T[] among) => among[random.Next(among.Length)];
}
