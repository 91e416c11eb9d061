using System.Net;
using Backprop.Chaos.Processes;
using Backprop.Distributed.Tests.Persistence;

namespace Backprop.Chaos.Tests;

/// <summary>Three coordinators, of which the majority goes on: as processes, on PostgreSQL.
/// </summary>
public sealed class CoordinatorsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-chaos-");
    private readonly int[] _ports =
        [.. Enumerable.Range(0, 3).Select(_ => FreePorts.Next(IPAddress.Loopback)).Order()];

    private readonly int _api = FreePorts.Next(IPAddress.Loopback);

    public void Dispose() => _directory.Delete(recursive: true);

    /// <summary>Akka has only the first of those that nodes join at found a cluster; without it,
    /// the others would look for one for as long as it is away.</summary>
    [SkippableFact]
    public async Task Those_who_have_lost_each_other_form_their_cluster_without_the_first()
    {
        using var database = new PostgreSqlServer();
        Skip.If(database.WhyNot is not null, database.WhyNot);
        using NodeProcess first = Start("coordinator-1", "coordinator", database, _ports[0]);
        using NodeProcess second = Start("coordinator-2", "coordinator", database, _ports[1], _api);
        using NodeProcess third = Start("coordinator-3", "coordinator", database, _ports[2]);
        using NodeProcess server = Start("server", "parameter-server", database);
        using NodeProcess worker = Start("worker", "worker", database);
        using var api = new RunApi(new Uri($"http://127.0.0.1:{_api}"), new SocketsHttpHandler());
        string? run = null;
        await Trial.UntilAsync(
            async () => (run ??= await api.SubmitAsync(ChaosSpecification.For(Trial.Length)))
                is not null,
            "nobody takes the run");
        await Trial.UntilAsync(
            async () => await api.ShowAsync(run!) is { Version: > 0 }, "nothing is trained");

        // Who hears of no other leaves; of two, whoever does not have the lower address.
        first.Stop();
        second.Stop();
        await Trial.UntilAsync(() => Says("coordinator-3", "returning: "), "the third stays");
        second.Continue();
        await Trial.UntilAsync(() => Says("coordinator-2", "returning: "), "the second stays");
        first.Kill();

        RunState? end = null;
        await Trial.UntilAsync(
            async () => (end = await api.ShowAsync(run!)) is { IsOver: true },
            "the run does not end");
        Assert.Equal("completed", end!.Standing);
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Trial.Length), _directory.FullName),
            end.Weights);

        using NodeProcess again = Start("first-again", "coordinator", database, _ports[0]);
        await Trial.UntilAsync(() => Says("first-again", "ready"), "the first is not let in");
    }

    private NodeProcess Start(
        string name, string role, PostgreSqlServer database, int port = 0, int api = 0)
    {
        string join = string.Join(", ", _ports.Select(one => $"\"127.0.0.1:{one}\""));
        string configuration = Path.Combine(_directory.FullName, $"{name}.conf");
        File.WriteAllText(configuration, $$"""
            backprop {
              cluster {
                name = chaos, coordinators = {{_ports.Length}}, join = [{{join}}]
                join-deadline = 3m, acceptable-pause = 4s, stable-after = 3s
              }
              node { host = "127.0.0.1", port = {{port}}, roles = [{{role}}] }
              links.port = 0
              persistence {
                provider = postgresql, connection-string = "{{database.Connection}}"
              }
              api.port = {{api}}
            }
            """);
        return NodeProcess.Start(
            LogOf(name), new Dictionary<string, string> { ["HOME"] = _directory.FullName },
            "--config", configuration, "--threads", "1");
    }

    private Task<bool> Says(string name, string line) => Task.FromResult(
        File.ReadLines(LogOf(name)).Any(one => one.StartsWith(line, StringComparison.Ordinal)));

    private string LogOf(string name) => Path.Combine(_directory.FullName, $"{name}.log");
}
