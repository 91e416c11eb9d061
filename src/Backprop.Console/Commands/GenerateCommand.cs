using System.CommandLine;
using System.Globalization;
using Backprop.Console.Api;
using Backprop.Console.Training;
using Backprop.Console.Writing;
using Backprop.Models;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop generate</c>.</summary>
internal static class GenerateCommand
{
    private const int MostTokens = 1_000_000;
    private const int DefaultLength = 200;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.FileArgument(
            "MODEL", "A trained network, for example runs/text/model.bpm; or a run that has a "
            + "checkpoint: its directory, a cluster's run, or 'latest'");
        var step = new Option<long?>("--step")
        {
            Description = "Of a run, the newest checkpoint at or before this step [default: the "
                + "newest]",
            HelpName = "N",
        };
        Option<string?> server = ClientOptions.Server();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var prompt = new Option<string>("--prompt")
        {
            Description = "What the text begins with [default: a line's end]",
            HelpName = "TEXT",
            DefaultValueFactory = _ => "\n",
        };
        var length = new Option<int>("--length")
        {
            Description = "Tokens to write [default: 200]",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultLength,
        };
        length.Validators.Add(result =>
        {
            if (result.GetValue(length) is < 1 or > MostTokens)
            {
                result.AddError(string.Create(
                    CultureInfo.InvariantCulture,
                    $"--length is {result.GetValue(length)}, where 1 to {MostTokens} may be"));
            }
        });
        var temperature = new Option<double>("--temperature")
        {
            Description = "Above 1 bolder than the network, below 1 more careful, 0 always the "
                + "likeliest token [default: 1]",
            HelpName = "X",
            DefaultValueFactory = _ => 1,
        };
        temperature.Validators.Add(result =>
        {
            if (!(result.GetValue(temperature) is >= 0 and < double.PositiveInfinity))
            {
                result.AddError("--temperature must be a number that is not negative");
            }
        });
        var seed = new Option<ulong>("--seed")
        {
            Description = "Another number, another text [default: 0]",
            HelpName = "N",
        };
        var command = new Command("generate", "Have a trained network go on with a text")
        {
            model, prompt, length, temperature, seed, step, threads, server, configuration,
        };
        command.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValue(step) < 0)
            {
                result.AddError("--step counts from 0");
            }
        });
        command.SetAction(result =>
        {
            string name = result.GetRequiredValue(model);
            LayerPlugins plugins = SharedOptions.Plugins(result, configuration, environment);
            var options = new GenerationOptions(
                result.GetRequiredValue(prompt), result.GetValue(length),
                result.GetValue(temperature), result.GetValue(seed));
            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            long? wanted = result.GetValue(step);
            long last = wanted ?? long.MaxValue;
            if (Directory.Exists(name))
            {
                return Write(
                    () => CheckpointModel.Load(
                        RunSource.OfDirectory(name, plugins, last), plugins, wanted),
                    options, count, environment.For(result));
            }

            return IsFile(name)
                ? Write(
                    () => OfFile(name, plugins, wanted), options, count, environment.For(result))
                : ClientOptions.Ask(
                    result, server, environment, async (api, asked, interrupted) =>
                    {
                        RunId run = await api.FindAsync(name, interrupted);
                        ReplaySource source = await api.ReplayAsync(run, last, interrupted);
                        return Write(
                            () => CheckpointModel.Load(
                                RunSource.OfCluster(api, source, run, plugins, interrupted),
                                plugins, wanted),
                            options, count, asked);
                    });
        });
        return command;
    }

    // What nobody would call a run is not asked of a cluster.
    private static bool IsFile(string name) => File.Exists(name)
        || name.AsSpan().ContainsAny(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar)
        || name.EndsWith(".bpm", StringComparison.Ordinal)
        || name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);

    private static Model OfFile(string path, LayerPlugins plugins, long? step) => step is null
        ? Model.Load(path, plugins)
        : throw new MistakeException(
            $"--step is of a run's checkpoints, and '{path}' is a trained network");

    // People see the text as it comes, programs have one document.
    private static int Write(
        Func<Model> load, GenerationOptions options, int threads, CommandEnvironment environment)
    {
        bool isBegun = false;
        string text = new ComputeThread<string>("generating", () =>
        {
            using Model model = load();
            return TextGenerator.Generate(model, options, threads, Show);
        }).Result();
        if (environment.IsJson)
        {
            environment.Answer(new { prompt = options.Prompt, text }, []);
        }
        else
        {
            environment.Output.WriteLine();
        }

        return ExitCode.Done;

        void Show(string part)
        {
            if (!environment.IsJson)
            {
                environment.Output.Write(isBegun ? part : options.Prompt + part);
                environment.Output.Flush();
                isBegun = true;
            }
        }
    }
}
