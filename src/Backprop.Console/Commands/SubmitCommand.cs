using System.CommandLine;
using Backprop.Console.Api;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop submit</c>.</summary>
internal static class SubmitCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<string?> server = ClientOptions.Server();
        Option<string?> configuration = SharedOptions.Configuration();
        var priority = new Option<int>("--priority")
        {
            Description = "Runs of a higher priority go first [default: 0]",
            HelpName = "N",
        };
        var watch = new Option<bool>("--watch") { Description = "Follow the run until its end" };
        var command = new Command("submit", "Hand a run to a cluster")
        {
            specification, priority, watch, server, configuration,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                string file = result.GetRequiredValue(specification);
                RunSpecification run = SpecificationFile.Read(
                    file, SharedOptions.Plugins(result, configuration, environment));
                if (ClusterRules.Refusal(run) is { } mistake)
                {
                    throw new SpecificationException([mistake]);
                }

                RunId id = await api.SubmitAsync(
                    Guid.NewGuid(), run.ResolvedText, file, result.GetValue(priority),
                    interrupted);
                var answer = new SubmittedRun(id);
                if (!result.GetValue(watch))
                {
                    wanted.Answer(
                        answer, [$"submitted: {id}", $"'backprop watch {id}' follows it"]);
                    return ExitCode.Done;
                }

                if (wanted.IsJson)
                {
                    wanted.Tell("submitted", answer);
                }
                else
                {
                    wanted.Output.WriteLine($"submitted: {id}");
                }

                return await new RunWatch(api, wanted).FollowAsync(id, interrupted);
            }));
        return command;
    }
}
