using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Backprop.Console.Tests.Hosting;

/// <summary>What a node exposes to Prometheus, and what is made of it under <c>deploy</c>.
/// </summary>
public sealed partial class MetricsTests
{
    private const string Dashboard = "deploy/grafana/dashboards/backprop.json";
    private const string Alerts = "deploy/prometheus/alerts.yml";

    // This node has none.
    private static readonly string[] OnlyWithTls =
        ["backprop_certificate_expiry_timestamp_seconds"];

    [Fact]
    public async Task Everything_that_dashboard_and_alerts_name_is_exposed_by_a_node_that_trains()
    {
        await using MeasuredNode node = await MeasuredNode.StartAsync(isMeasured: true);
        await node.JoinAsync();
        using var api = new ApiClient(node.Api);
        RunId run = await api.SubmitAsync(
            Guid.NewGuid(),
            Specifications.Moons.Replace("epochs = 8", "epochs = 100000")
                .Replace("every-steps = 20", "every-epochs = 10"),
            "moons.conf", 0, CancellationToken.None);
        using var http = new HttpClient { BaseAddress = node.Listener };
        string[] wanted =
            [.. NamesIn(Dashboard).Concat(NamesIn(Alerts)).Distinct().Except(OnlyWithTls)];
        Assert.True(wanted.Length > 25, $"only {wanted.Length} metrics are named");

        var seen = new HashSet<string>();
        await MeasuredNode.AwaitAsync(
            async () =>
            {
                seen.UnionWith(SamplesOf(await http.GetStringAsync("metrics")));
                return seen;
            },
            names => names.IsSupersetOf(wanted));
        await api.ControlAsync(run, RunControl.Stop, CancellationToken.None);
        Assert.Empty(wanted.Except(seen));

        // The API has them too, and events are no series.
        using var other = new HttpClient { BaseAddress = node.Api };
        string text = await other.GetStringAsync("metrics");
        Assert.Contains("backprop_runs{", text);
        Assert.DoesNotContain("backprop_worker_step", text);
        Assert.DoesNotContain("backprop_slice_version", text);
    }

    [Fact]
    public void Every_alert_says_what_it_is_and_what_to_do()
    {
        string[] alerts = File.ReadAllText(Path.Combine(CommandRun.Root, Alerts))
            .Split("- alert: ")[1..];
        Assert.True(alerts.Length >= 8);
        Assert.All(alerts, alert => Assert.Matches(
            @"expr: [\s\S]*severity: (page|ticket)\n[\s\S]*summary: ""[\s\S]*runbook: ", alert));
    }

    [SkippableTheory]
    [InlineData("check", Alerts)]
    [InlineData("check", "deploy/prometheus/scaling.yml")]
    [InlineData("test", "deploy/prometheus/alerts.test.yml")]
    [InlineData("test", "deploy/prometheus/scaling.test.yml")]
    public void Prometheus_takes_the_alerts_and_they_fire(string what, string file)
    {
        string? promtool = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Select(folder => Path.Combine(folder, "promtool")).FirstOrDefault(File.Exists);
        Skip.If(promtool is null, "promtool is not installed");
        using Process process = Process.Start(
            new ProcessStartInfo(promtool!, [what, "rules", file])
            {
                WorkingDirectory = CommandRun.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
    }

    [Fact]
    public void Every_instrument_of_the_documentation_is_named_once()
    {
        string page = File.ReadAllText(Path.Combine(CommandRun.Root, "docs/metrics.md"));
        string[] documented =
            [.. InstrumentRow().Matches(page).Select(match => match.Groups[1].Value)];
        Assert.Equal(documented.Distinct(), documented);
        // Each of a metric's names in the dashboard begins with its instrument's.
        string[] prefixes = [.. documented.Select(name => name.Replace('.', '_'))];
        Assert.DoesNotContain(NamesIn(Dashboard), name => name.StartsWith("backprop")
            && !prefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_node_that_is_not_measured_serves_no_metrics()
    {
        await using MeasuredNode node = await MeasuredNode.StartAsync(isMeasured: false);
        Assert.False(node.Listens);
        using var http = new HttpClient { BaseAddress = node.Api };
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("metrics")).StatusCode);
    }

    [Fact]
    public async Task A_collector_is_sent_metrics_and_the_traces_that_were_asked_for()
    {
        var calls = new ConcurrentDictionary<string, long>();
        await using WebApplication collector = await CollectAsync(calls);
        MeasuredNode node = await MeasuredNode.StartAsync(
            isMeasured: false, ("BACKPROP__OTLP__ENDPOINT", collector.Urls.First()),
            ("BACKPROP__OTLP__TRACE_EVERY", "10"));
        await using (node)
        {
            await node.JoinAsync();
            using var api = new ApiClient(node.Api);
            RunId run = await api.SubmitAsync(
                Guid.NewGuid(), Specifications.Moons.Replace("every-steps = 20", "every = 1m"),
                "moons.conf", 0, CancellationToken.None);
            RunView view = await MeasuredNode.AwaitAsync(
                () => api.RunAsync(run, CancellationToken.None),
                view => view.Summary.Standing == RunStanding.Completed);
            Assert.Equal(RunStanding.Completed, view.Summary.Standing);
        }

        // What is not sent yet is sent when the node ends.
        const string services = "/opentelemetry.proto.collector.";
        Assert.True(calls.GetValueOrDefault($"{services}metrics.v1.MetricsService/Export") > 500);
        Assert.True(calls.GetValueOrDefault($"{services}trace.v1.TraceService/Export") > 500);
    }

    [Fact]
    public async Task Health_is_that_of_the_member()
    {
        await using MeasuredNode node = await MeasuredNode.StartAsync(isMeasured: true);
        string listener = node.Listener.ToString();
        CommandRun live = CommandRun.Of("health", "--live", "--server", listener);
        Assert.Equal((ExitCode.Done, "live, database reached"), (live.ExitCode, Line(live)));
        CommandRun before = CommandRun.Of("health", "--server", listener);
        Assert.Equal(ExitCode.Failure, before.ExitCode);
        Assert.StartsWith("not ready: this node is ", Line(before));

        await node.JoinAsync();

        foreach (Uri place in new[] { node.Listener, node.Api })
        {
            CommandRun ready = CommandRun.Of("health", "--server", place.ToString());
            Assert.Equal((ExitCode.Done, "ready, database reached"), (ready.ExitCode, Line(ready)));
        }
    }

    [Fact]
    public void Health_of_nobody_is_a_failure_and_says_so() => CommandRun.Fails(
        ExitCode.Failure, "no node answers at http://127.0.0.1:1/health/ready", "health",
        "--server", "http://127.0.0.1:1");

    // Takes whatever it is sent, and answers with an empty message, as gRPC frames it.
    private static async Task<WebApplication> CollectAsync(
        ConcurrentDictionary<string, long> bytesByCall)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Listen(
            IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        WebApplication collector = builder.Build();
        collector.MapPost("{**call}", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            bytesByCall.AddOrUpdate(
                context.Request.Path, body.Length, (_, before) => before + body.Length);
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        });
        await collector.StartAsync();
        return collector;
    }

    private static string Line(CommandRun run) => run.Output.TrimEnd();

    // Of a dashboard only what is asked of Prometheus counts, not what is said about it.
    private static IEnumerable<string> NamesIn(string file)
    {
        string text = File.ReadAllText(Path.Combine(CommandRun.Root, file));
        if (file.EndsWith(".json", StringComparison.Ordinal))
        {
            using JsonDocument dashboard = JsonDocument.Parse(text);
            text = string.Join('\n', Texts(dashboard.RootElement, "expr", "definition"));
        }

        return MetricName().Matches(text).Select(match => match.Value);
    }

    private static IEnumerable<string> Texts(JsonElement element, params string[] names) =>
        element.ValueKind switch
        {
            JsonValueKind.Object => element.EnumerateObject().SelectMany(property =>
                names.Contains(property.Name) && property.Value.ValueKind == JsonValueKind.String
                    ? [property.Value.GetString()!]
                    : Texts(property.Value, names)),
            JsonValueKind.Array => element.EnumerateArray().SelectMany(item => Texts(item, names)),
            _ => [],
        };

    private static IEnumerable<string> SamplesOf(string text) =>
        Sample().Matches(text).Select(match => match.Groups[1].Value);

    [GeneratedRegex(@"\b(?:backprop|dotnet|http_server|kestrel)_[a-z0-9_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"^([a-z0-9_]+)(?:\{| )", RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex(@"^\| `(backprop\.[a-z.]+)`", RegexOptions.Multiline)]
    private static partial Regex InstrumentRow();
}
