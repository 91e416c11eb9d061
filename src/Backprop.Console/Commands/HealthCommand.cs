using System.CommandLine;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Client;

namespace Backprop.Console.Commands;

/// <summary><c>backprop health</c>: for whoever has to know whether a node is up, as containers'
/// health checks.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(5);

    public static Command Create(CommandEnvironment environment)
    {
        Option<string?> server = new("--server")
        {
            Description = "A node's API, or where it is measured [default: the last 'cluster up',"
                + $" or ${ServerAddress.Variable}]",
            HelpName = "URL",
        };
        Option<bool> live = new("--live")
        {
            Description = "Ask only whether the process is alive",
        };
        var command = new Command("health", "Say whether a node is up; exit code 1 if not")
        {
            server, live, ClientOptions.Authority(),
        };
        command.SetAction(result =>
        {
            Uri address = ServerAddress.Find(result.GetValue(server), environment.Variables);
            using Interruption interruption = environment.ListenForInterruption();
            return AskAsync(
                new Uri(
                    address, result.GetValue(live) ? HealthRoutes.Live : HealthRoutes.Ready),
                SharedOptions.IsJson(result), ClientOptions.HandlerOf(result, environment),
                environment, interruption.Token)
                .GetAwaiter().GetResult();
        });
        return command;
    }

    private static async Task<int> AskAsync(
        Uri address, bool writesJson, HttpMessageHandler handler, CommandEnvironment environment,
        CancellationToken interrupted)
    {
        using var http = new HttpClient(handler) { Timeout = s_deadline };
        try
        {
            using HttpResponseMessage response = await http.GetAsync(address, interrupted);
            string body = await response.Content.ReadAsStringAsync(interrupted);
            Write(address, body, response.IsSuccessStatusCode, writesJson, environment);
            return response.IsSuccessStatusCode ? ExitCode.Done : ExitCode.Failure;
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (OperationCanceledException)
        {
            throw new ApiUnavailableException(
                $"{address} has not answered within {s_deadline.TotalSeconds:0} s");
        }
        catch (HttpRequestException failure)
        {
            throw new ApiUnavailableException(
                $"no node answers at {address}: {failure.Message}", failure);
        }
    }

    private static void Write(
        Uri address, string body, bool isWell, bool writesJson, CommandEnvironment environment)
    {
        if (writesJson)
        {
            environment.Output.WriteLine(body);
            return;
        }

        using JsonDocument answer = Parse(address, body);
        string? Field(string name) =>
            answer.RootElement.TryGetProperty(name, out JsonElement value)
                ? value.ToString()
                : null;
        string database = Field("database") is { } state ? $", database {state}" : "";
        environment.Output.WriteLine(isWell
            ? $"{Field("status")}{database}"
            : $"not ready: {Field("detail") ?? "no reason was given"}{database}");
    }

    private static JsonDocument Parse(Uri address, string body)
    {
        try
        {
            return JsonDocument.Parse(body);
        }
        catch (JsonException failure)
        {
            throw new ApiUnavailableException(
                $"what answers at {address} is no node of this program", failure);
        }
    }
}
