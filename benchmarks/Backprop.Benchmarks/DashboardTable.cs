using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Backprop.Benchmarks;

/// <summary>The table of what open pages cost: a cluster of processes trains with nobody looking
/// and with 200 pages open on a console node, in turns. A page holds the streams that the real one
/// does, and a few more clients ask for lists, runs and curves meanwhile.</summary>
internal static class DashboardTable
{
    private const int Rounds = 3;
    private const int Pages = 200;
    private const int Readers = 4;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(5);

    private const string Specification = """
        name = looked-at
        seed = 1
        data { train { generated { moons { samples = 65536, noise = 0.1, seed = 1 } } } }
        model = [
          { dense { units = 256, activation = relu } }
          { dense { units = 256, activation = relu } }
          { dense { units = 2 } }
        ]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 1e-3 } }
        batch-size = 64, micro-batches = 4, epochs = 10
        """;

    /// <summary>Prints the table.</summary>
    /// <param name="options"><c>--training-cores LIST</c>, as <c>taskset -c</c> has them.</param>
    /// <returns>The program's exit code.</returns>
    public static int Print(string[] options)
    {
        if (options is not ([] or ["--training-cores", _]))
        {
            Console.Error.WriteLine("usage: dashboards [--training-cores LIST]");
            return 2;
        }

        DirectoryInfo scratch = Directory.CreateTempSubdirectory("backprop-dashboards-");
        using var cluster = new DashboardCluster(
            scratch.FullName, options is [_, var cores] ? cores : null);
        try
        {
            PrintAsync(cluster).GetAwaiter().GetResult();
        }
        finally
        {
            cluster.Dispose();
            scratch.Delete(recursive: true);
        }

        return 0;
    }

    private static async Task PrintAsync(DashboardCluster cluster)
    {
        await MeasureAsync(cluster, pages: 0);
        var alone = new List<Round>();
        var watched = new List<Round>();
        for (int round = 0; round < Rounds; round++)
        {
            alone.Add(await MeasureAsync(cluster, pages: 0));
            watched.Add(await MeasureAsync(cluster, Pages));
        }

        Console.WriteLine(
            $"1 worker, 1 parameter server, 1 coordinator, 1 console, {Rounds} rounds in turns");
        Console.WriteLine(
            "pages      ms/step  console cores  readers' cores  reads p50 ms  reads p99 ms"
            + "  events/s");
        Write(0, alone);
        Write(Pages, watched);
    }

    private static void Write(int pages, List<Round> rounds) =>
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{pages,5}{Median(rounds, round => round.StepMilliseconds),13:F3}"
            + $"{Median(rounds, round => round.ConsoleCores),15:F3}"
            + $"{Median(rounds, round => round.ReaderCores),16:F3}"
            + $"{Median(rounds, round => round.ReadP50),14:F2}"
            + $"{Median(rounds, round => round.ReadP99),14:F2}"
            + $"{Median(rounds, round => round.EventsASecond),10:F0}"));

    private static double Median(List<Round> rounds, Func<Round, double> of) =>
        rounds.Select(of).Order().ElementAt(rounds.Count / 2);

    private static async Task<Round> MeasureAsync(DashboardCluster cluster, int pages)
    {
        using var http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = (2 * pages) + Readers + 4,
        })
        {
            BaseAddress = cluster.Console, Timeout = s_deadline,
        };
        string run = await SubmitAsync(http);
        using var ending = new CancellationTokenSource();
        var looked = new Looks(http, run, ending.Token);
        // That all of them open in one moment is not what is measured.
        HttpResponseMessage[] streams = await Task.WhenAll(
            Enumerable.Range(0, pages).SelectMany(_ => new[]
            {
                looked.OpenAsync("api/v1/events"), looked.OpenAsync($"api/v1/runs/{run}/events"),
            }));
        TimeSpan before = cluster.ConsoleTime, own = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        Task[] readers =
        [
            .. streams.Select(looked.FollowAsync),
            .. Enumerable.Range(0, Readers).Select(_ => looked.ReadAsync(s_pause)),
        ];
        JsonElement result = await AwaitEndAsync(http, run);
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        double cores = (cluster.ConsoleTime - before).TotalSeconds / seconds;
        double ownCores = (Environment.CpuUsage.TotalTime - own).TotalSeconds / seconds;
        await ending.CancelAsync();
        await Task.WhenAll(readers);
        var elapsed = TimeSpan.Parse(
            result.GetProperty("elapsed").GetString()!, CultureInfo.InvariantCulture);
        double[] reads = [.. looked.Milliseconds.Order()];
        return new Round(
            elapsed.TotalMilliseconds / result.GetProperty("steps").GetInt64(), cores, ownCores,
            reads[reads.Length / 2], reads[(int)(reads.Length * 0.99)],
            looked.Events / seconds);
    }

    private static async Task<string> SubmitAsync(HttpClient http)
    {
        using HttpResponseMessage answer =
            await http.PostAsync("api/v1/runs", new StringContent(Specification));
        JsonElement submitted = await answer.EnsureSuccessStatusCode()
            .Content.ReadFromJsonAsync<JsonElement>();
        return submitted.GetProperty("id").GetString()!;
    }

    private static async Task<JsonElement> AwaitEndAsync(HttpClient http, string run)
    {
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < s_deadline)
        {
            JsonElement view = await http.GetFromJsonAsync<JsonElement>($"api/v1/runs/{run}");
            JsonElement result = view.GetProperty("result");
            if (result.ValueKind == JsonValueKind.Object)
            {
                return result;
            }

            await Task.Delay(s_pause);
        }

        throw new TimeoutException($"{run} takes too long");
    }

    private sealed record Round(
        double StepMilliseconds, double ConsoleCores, double ReaderCores, double ReadP50,
        double ReadP99, double EventsASecond);

    /// <summary>Whoever looks at a run through a console node.</summary>
    private sealed class Looks(HttpClient http, string run, CancellationToken ending)
    {
        private readonly Lock _lock = new();
        private long _events;

        public List<double> Milliseconds { get; } = [];

        public long Events => Interlocked.Read(ref _events);

        public async Task<HttpResponseMessage> OpenAsync(string path)
        {
            HttpResponseMessage response = await http.GetAsync(
                path, HttpCompletionOption.ResponseHeadersRead, ending);
            return response.EnsureSuccessStatusCode();
        }

        public async Task FollowAsync(HttpResponseMessage response)
        {
            try
            {
                using HttpResponseMessage open = response;
                using var reader = new StreamReader(
                    await response.Content.ReadAsStreamAsync(ending));
                while (await reader.ReadLineAsync(ending) is { } line)
                {
                    if (line.StartsWith("event:", StringComparison.Ordinal))
                    {
                        Interlocked.Increment(ref _events);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The round is over.
            }
        }

        public async Task ReadAsync(TimeSpan pause)
        {
            string[] paths =
                ["api/v1/runs", $"api/v1/runs/{run}", $"api/v1/runs/{run}/curves?points=500"];
            try
            {
                for (int i = 0; ; i++)
                {
                    long began = Stopwatch.GetTimestamp();
                    await http.GetByteArrayAsync(paths[i % paths.Length], ending);
                    double took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                    lock (_lock)
                    {
                        Milliseconds.Add(took);
                    }

                    await Task.Delay(pause, ending);
                }
            }
            catch (OperationCanceledException)
            {
                // The round is over.
            }
        }
    }
}
