using System.CommandLine;
using Backprop.Console.Storage;
using Backprop.Models;
using Backprop.Training.Interchange;

namespace Backprop.Console.Commands;

/// <summary><c>backprop export</c>.</summary>
internal static class ExportCommand
{
    private const string DefaultFormat = "safetensors";

    private static readonly Dictionary<string, ExportFormat> s_formats = new()
    {
        [DefaultFormat] = ExportFormat.Safetensors,
        ["onnx"] = ExportFormat.Onnx,
        ["npz"] = ExportFormat.Npz,
    };

    private const string DefaultNames = "pytorch";

    private static readonly Dictionary<string, TensorNames> s_names = new()
    {
        [DefaultNames] = TensorNames.PyTorch,
        ["hugging-face"] = TensorNames.HuggingFace,
    };

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.Model();
        Option<string?> configuration = SharedOptions.Configuration();
        var format = new Option<string>("--format")
        {
            Description = "safetensors and npz: weights; onnx: the whole computation "
                + "[default: safetensors]",
            HelpName = "NAME",
            DefaultValueFactory = _ => DefaultFormat,
        };
        format.AcceptOnlyFromAmong([.. s_formats.Keys]);
        var names = new Option<string>("--names")
        {
            Description = "Whose names and layouts weights have: pytorch; or hugging-face, with "
                + "config.json beside them, for models that are LLaMA or GPT-2 layer by layer "
                + "[default: pytorch]",
            HelpName = "NAME",
            DefaultValueFactory = _ => DefaultNames,
        };
        names.AcceptOnlyFromAmong([.. s_names.Keys]);
        var output = new Option<string?>("--output")
        {
            Description = "Where to write it [default: beside the model, by its name and format]",
            HelpName = "FILE",
        };
        var command = new Command("export", "Write a trained network for other programs")
        {
            model, format, names, output, configuration,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(model), name = result.GetRequiredValue(format);
            string file = result.GetValue(output) ?? Path.ChangeExtension(path, name);
            if (Path.GetFullPath(file) == Path.GetFullPath(path))
            {
                throw new MistakeException(
                    $"'{file}' is the model itself: name another file with --output");
            }

            using var loaded = Model.Load(
                path, SharedOptions.Plugins(result, configuration, environment));
            string? described = Write(
                loaded, s_formats[name], s_names[result.GetRequiredValue(names)], file);
            environment.For(result).Answer(
                new { model = path, format = name, file, configuration = described },
                [$"wrote {file}", .. described is null ? [] : (string[])[$"wrote {described}"]]);
        });
        return command;
    }
    // The file that Hugging Face's library needs beside the weights; null: none is needed.
    private static string? Write(
        Model model, ExportFormat format, TensorNames names, string file)
    {
        bool isDescribed = names == TensorNames.HuggingFace;
        if (isDescribed && format == ExportFormat.Onnx)
        {
            throw new MistakeException(
                "a file of ONNX has tensors by the names of the run's layers: leave --names out");
        }

        if (!isDescribed)
        {
            DurableFile.Write(file, stream => ModelExport.Write(model, format, stream));
            return null;
        }

        string described = Path.Combine(
            Path.GetDirectoryName(file) ?? "", HuggingFaceConfiguration.FileName);
        if (Path.GetFullPath(file) == Path.GetFullPath(described))
        {
            throw new MistakeException(
                $"'{file}' is where the model's configuration is written: name another file with "
                + "--output");
        }

        string text = ModelExport.HuggingFaceConfiguration(model);
        DurableFile.Write(file, stream => ModelExport.Write(model, format, stream, names));
        DurableFile.WriteText(described, text);
        return described;
    }
}
