namespace Backprop.Console.Tests.Commands;

public class DescribeAndGradcheckTests
{
    [Fact]
    public void Describe_shows_layers_shapes_parameters_data_and_memory()
    {
        string text = CommandRun.Succeeds("describe", "hocon/runs/digits.conf").Output;

        Assert.Matches(@"\ninput +8x8\r?\n", text);
        Assert.Matches(@"\ndense1 +dense +256 +16,640\r?\n", text);
        Assert.Matches(@"\noutput +dense +10 +1,290\r?\n", text);
        Assert.Matches(@" total +50,826\r?\n", text);
        Assert.Contains("training    1,293 samples of data/digits/train-images", text);
        Assert.Contains("test        360 samples of data/digits/test-images", text);
        Assert.Contains("batch       32 samples in 8 micro-batches", text);
        Assert.Matches(@"memory      [\d.]+ MiB to train", text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void A_convolutional_network_is_described_and_checked_as_others_are()
    {
        string text = CommandRun.Succeeds("describe", "hocon/runs/digits-cnn.conf").Output;

        Assert.Matches(@"\nconvolution-2d1 +convolution-2d +8x8x32 +288\r?\n", text);
        Assert.Matches(@"\nmax-pooling-2d1 +max-pooling-2d +4x4x32\s", text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
        text = CommandRun.Succeeds(
            "gradcheck", "hocon/runs/digits-cnn.conf", "--elements", "2", "--rows", "4").Output;
        Assert.Matches(@"\nconvolution-2d2\.weight +2/9216 .* ok\r?\n", text);
        Assert.Contains("every gradient agrees", text);
    }

    [Fact]
    public void Only_networks_of_dense_layers_are_explained()
    {
        using var scratch = new ScratchDirectory();
        string small = scratch.Write("small.conf", Specifications.Moons.Replace(
            "model = [",
            "model = [ { reshape { shape = [2, 1] } }, "
            + "{ convolution-1d { filters = 2, kernel = 1, name = filters } }, flatten, "));

        CommandRun.Fails(
            ExitCode.Mistake, "layer 'filters' is of the kind convolution-1d", "explain", small);
    }

    [Fact]
    public void Describe_says_what_makes_a_run_inexact()
    {
        using var scratch = new ScratchDirectory();
        string rounded = scratch.Write(
            "rounded.conf", Specifications.Moons + "\ntransport { gradients = bf16 }");

        string text = CommandRun.Succeeds("describe", rounded).Output;

        Assert.Contains("transport   bf16 gradients in a cluster: inexact", text);
    }

    [Fact]
    public void Gradcheck_finds_backpropagation_right_tensor_by_tensor()
    {
        string text = CommandRun.Succeeds("gradcheck", "hocon/runs/iris.conf").Output;

        Assert.Matches(@"\ndense1\.weight +20/64 .* ok\r?\n", text);
        Assert.Matches(@"\noutput\.bias +3/3 .* ok\r?\n", text);
        Assert.Contains("every gradient agrees", text);
    }

    [Fact]
    public void Lr_find_shows_rates_and_suggests_one()
    {
        string text = CommandRun.Succeeds("lr-find", "hocon/runs/iris.conf").Output;

        Assert.Matches(@"\nlearning rate +loss +smoothed", "\n" + text);
        Assert.Matches(@" steepest\r?\n", text);
        Assert.Matches(@"\nsuggestion: \w+ \{ learning-rate = [\de.-]+ \} \(the spec", text);
        Assert.InRange(text.Split('\n').Length, 10, 35);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
        CommandRun.Fails(
            ExitCode.Mistake, "--from, --to, --steps: rates from 2 to 1: the first",
            "lr-find", "hocon/runs/iris.conf", "--from", "2", "--to", "1");
    }

    [Fact]
    public void Gradcheck_fails_by_the_names_of_the_tensors_that_differ()
    {
        using var scratch = new ScratchDirectory();
        string overflowing = scratch.Write("overflowing.conf", Specifications.Moons.Replace(
            "units = 2 }", "units = 2, weight-init { constant = 3e38 } }"));
        CommandRun run = CommandRun.Of("gradcheck", overflowing);

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("tensors differ by more than 0.001: ", run.Error);
        Assert.Contains("dense1.weight", run.Error);
    }

    [Fact]
    public void Error_splitting_has_no_gradients_to_check() => CommandRun.Fails(
        ExitCode.Mistake, "error-splitting does not compute gradients",
        "gradcheck", "hocon/runs/articles/error-splitting.conf");
}
